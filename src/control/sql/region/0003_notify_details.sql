-- An instance that holds a tenant's name, settings or logins in memory hears when they change. A new profile, and a
-- spare that becomes someone's, are in nobody's memory yet.
CREATE TRIGGER profiles_changed AFTER UPDATE OR DELETE ON profiles
  FOR EACH ROW EXECUTE FUNCTION notify_tenant();
CREATE TRIGGER data_locations_changed AFTER UPDATE OF slug, server, database, schema, app_role, app_password
  ON data_locations FOR EACH ROW WHEN (OLD.slug IS NOT NULL) EXECUTE FUNCTION notify_tenant();
CREATE TRIGGER data_locations_deleted AFTER DELETE ON data_locations
  FOR EACH ROW EXECUTE FUNCTION notify_tenant();
