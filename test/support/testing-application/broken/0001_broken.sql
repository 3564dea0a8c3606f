CREATE TABLE fine (id integer);
CREATE TABLE fine (id integer);
