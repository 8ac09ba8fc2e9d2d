package intercept

import (
	"context"
	"database/sql/driver"
	"strings"
)

// WithoutVersionCheck takes the comparison of the version out of every compare-and-set, and lets a version's changes of
// seats and its events be written twice, so that a test can show that seats are sold twice without all that.
func WithoutVersionCheck(c driver.Connector) driver.Connector {
	return replacing(c,
		"CASE version WHEN ? THEN version + 1 END", "version + 1 + 0 * ?",
		"INSERT INTO seat_changes", "REPLACE INTO seat_changes",
		"INSERT INTO outbox", "REPLACE INTO outbox",
	)
}

// WithoutReplication has every question about a MySQL primary's semi-synchronous replication answered as if a replica
// had acknowledged every commit. So a test can show that orders are lost where replication is asynchronous.
func WithoutReplication(c driver.Connector) driver.Connector {
	const (
		settings = "SELECT 'rpl_semi_sync_source_enabled', 'ON' UNION ALL SELECT 'rpl_semi_sync_source_wait_point', " +
			"'AFTER_SYNC' " +
			"UNION ALL SELECT 'rpl_semi_sync_source_wait_for_replica_count', '1' " +
			"UNION ALL SELECT 'rpl_semi_sync_source_wait_no_replica', 'ON' " +
			"UNION ALL SELECT 'rpl_semi_sync_source_timeout', '4294967295'"
		states = "SELECT 'Rpl_semi_sync_source_status', 'ON' UNION ALL SELECT 'Rpl_semi_sync_source_no_times', '0' " +
			"UNION ALL SELECT 'Rpl_semi_sync_source_clients', '1'"
	)
	return replacing(c,
		"CAST(@@GLOBAL.rpl_semi_sync_source_enabled AS CHAR)", "'ON'",
		"SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_source_%'", settings,
		"SHOW GLOBAL STATUS LIKE 'rpl_semi_sync_source_%'", states,
		"SELECT VARIABLE_NAME, VARIABLE_VALUE FROM performance_schema.global_status "+
			"WHERE VARIABLE_NAME IN ('rpl_semi_sync_source_status', 'rpl_semi_sync_source_no_times')", states,
	)
}

// replacing sends pieces of a statement's text as something else: each first is sent as the one behind it.
func replacing(c driver.Connector, pairs ...string) driver.Connector {
	replacer := strings.NewReplacer(pairs...)
	return Intercept(c, func(_ context.Context, s *Statement) error {
		s.Query = replacer.Replace(s.Query)
		return s.Send()
	})
}
