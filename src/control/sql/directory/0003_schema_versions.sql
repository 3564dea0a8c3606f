-- Who is behind is asked before every run of migrations, and most often nobody is.
CREATE INDEX tenants_schema_version ON tenants (region, schema_version);
