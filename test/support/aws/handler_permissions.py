"""Prints, as JSON by resource type, what CloudFormation's handlers call to create and delete it (cfn-lint's schemas)."""
import glob
import json
import os

import cfnlint

permissions = {}
for file in glob.glob(os.path.join(os.path.dirname(cfnlint.__file__), "data/schemas/resources/*.json")):
    with open(file) as schema_file:
        schema = json.load(schema_file)
    handlers = schema.get("handlers")
    if not isinstance(handlers, dict):
        continue
    found = permissions.setdefault(schema["typeName"], set())
    for operation in ("create", "delete"):
        found.update(handlers.get(operation, {}).get("permissions", []))
print(json.dumps({name: sorted(found) for name, found in permissions.items()}))
