-- An instance that holds a tenant's name, settings or logins in memory hears when they change.
CREATE TRIGGER profiles_changed AFTER INSERT OR UPDATE OR DELETE ON profiles
  FOR EACH ROW EXECUTE FUNCTION notify_tenant();
CREATE TRIGGER data_locations_changed AFTER UPDATE OF slug, server, database, schema, app_role, app_password OR DELETE
  ON data_locations FOR EACH ROW EXECUTE FUNCTION notify_tenant();
