"""moto's server, with what RDS does of read replicas and moto 5.2.5 does not.

moto makes a replica in another region in the source's network, as old as its source and as well protected, over one that
is there already; it can't delete it, and a promoted one stays its source's replica.
"""
import copy
import secrets
import sys

from moto.core.utils import utcnow
from moto.rds.exceptions import DBInstanceAlreadyExists, DBInstanceNotFoundError, InvalidDBInstanceStateFault
from moto.rds.models import DBInstance, RDSBackend
from moto.server import main

make_instance = DBInstance.__init__
delete_instance = RDSBackend.delete_db_instance


def init(self, *args, **kwargs):
    make_instance(self, *args, **kwargs)
    give_id(self)


def give_id(instance):
    # moto gives all the same.
    instance.dbi_resource_id = "db-" + secrets.token_hex(13).upper()


def create_replica(self, db_kwargs):
    identifier = db_kwargs["db_instance_identifier"]
    if identifier in self.databases:
        raise DBInstanceAlreadyExists()
    source = self.find_db_from_id(db_kwargs["source_db_instance_identifier"])
    if not source.backup_retention_period:
        raise InvalidDBInstanceStateFault("Automated backups are not enabled for this database instance.")
    replica = copy.copy(source)
    replica.backend = self
    replica.created = replica.instance_create_time = utcnow()
    replica.availability_zone = f"{self.region_name}a"
    replica.tags = []
    replica.deletion_protection = False
    replica.multi_az = False
    replica.backup_retention_period = 0
    replica.status_infos = [{"StatusType": "read replication", "Normal": True, "Status": "replicating"}]
    give_id(replica)
    replica.update(**db_kwargs)
    replica.set_as_replica()
    self.databases[identifier] = replica
    source.add_replica(replica)
    return replica


def promote_replica(self, db_kwargs):
    replica = self.databases.get(db_kwargs["db_instance_identifier"])
    if replica is None:
        raise DBInstanceNotFoundError(db_kwargs["db_instance_identifier"])
    if not replica.is_replica:
        raise InvalidDBInstanceStateFault("DB Instance is not a read replica")
    end_replication(self, replica)
    replica.update(**db_kwargs)
    return replica


def end_replication(backend, replica):
    source = replica.source_db_instance_identifier
    replica.is_replica = False
    replica.source_db_instance_identifier = None
    replica.status_infos = []
    try:
        replicas = backend.find_db_from_id(source).replicas
    except DBInstanceNotFoundError:
        return
    for name in (replica.arn, replica.db_instance_identifier):
        if name in replicas:
            replicas.remove(name)


def delete(self, db_instance_identifier, *args, **kwargs):
    replica = self.databases.get(db_instance_identifier)
    if replica is not None and replica.is_replica and not replica.deletion_protection:
        end_replication(self, replica)
    return delete_instance(self, db_instance_identifier, *args, **kwargs)


DBInstance.__init__ = init
RDSBackend.create_db_instance_read_replica = create_replica
RDSBackend.promote_read_replica = promote_replica
RDSBackend.delete_db_instance = delete

if __name__ == "__main__":
    sys.exit(main())
