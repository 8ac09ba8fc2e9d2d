package failover

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// readMember reads a member. Its error says what could not be read.
func readMember(ctx context.Context, on mysqlcluster.Querier, database string) (Member, error) {
	var m Member
	for _, read := range []func(context.Context, mysqlcluster.Querier) error{
		m.readServer, m.readSemiSync, m.readReceiver, m.readApplier, m.readClone,
	} {
		if err := read(ctx, on); err != nil {
			return Member{}, err
		}
	}
	// The status is OFF as well for a receiver that is not connected.
	m.mute = m.Acknowledges && !m.acknowledging && m.Receiver != nil && m.Receiver.State == receiverOn
	m.Acknowledges = m.Acknowledges && !m.mute
	record, err := readRecord(ctx, on, database)
	m.Record = record
	return m, err
}

// readServer reads what kind of server it is, and what it may do.
func (m *Member) readServer(ctx context.Context, on mysqlcluster.Querier) error {
	if err := single(ctx, on, "SELECT VERSION()", &m.Version); err != nil {
		return err
	}
	if err := checkVersion(m.Version); err != nil {
		return err
	}
	var gtidMode string
	var syncBinlog, flush, syncRelayLog, netTimeout int64
	var logBin, logUpdates, recovery bool
	err := single(ctx, on, "SELECT @@GLOBAL.server_uuid, @@GLOBAL.read_only, @@GLOBAL.super_read_only, "+
		"@@GLOBAL.offline_mode, @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.gtid_mode, "+
		"@@GLOBAL.sync_binlog, @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_relay_log, "+
		"@@GLOBAL.replica_net_timeout, @@GLOBAL.log_bin, @@GLOBAL.log_replica_updates, @@GLOBAL.relay_log_recovery",
		&m.UUID, &m.ReadOnly, &m.SuperReadOnly, &m.Offline, &m.Executed, &m.Purged, &gtidMode, &syncBinlog, &flush,
		&syncRelayLog, &netTimeout, &logBin, &logUpdates, &recovery)
	if err != nil {
		return err
	}
	m.Executed, m.Purged = oneLine(m.Executed), oneLine(m.Purged)
	m.want(gtidMode == "ON", "gtid_mode must be ON")
	m.want(logBin && logUpdates, "log_bin and log_replica_updates must be on")
	m.want(syncBinlog == 1 && flush == 1, "sync_binlog and innodb_flush_log_at_trx_commit must be 1")
	m.want(!recovery, "relay_log_recovery must be OFF: with ON, a killed replica may lose what it has acknowledged")
	m.want(syncRelayLog == 1, "sync_relay_log must be 1")
	m.want(netTimeout <= netTimeoutSeconds, "replica_net_timeout must be at most "+strconv.Itoa(netTimeoutSeconds)+" s")
	var text mysqlcluster.Text
	if err := single(ctx, on, mysqlcluster.TextQuery, text.Fields()...); err != nil {
		return err
	}
	problem := text.ServerProblem()
	m.want(problem == "", problem)
	return nil
}

// readSemiSync reads both sides of semi-synchronous replication. A member without its plugins is an error.
func (m *Member) readSemiSync(ctx context.Context, on mysqlcluster.Querier) error {
	var loaded bool
	err := single(ctx, on, "SELECT @@GLOBAL.rpl_semi_sync_source_enabled IS NOT NULL, "+
		"@@GLOBAL.rpl_semi_sync_replica_enabled", &loaded, &m.Acknowledges)
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErUnknownVariable {
		return fmt.Errorf("the plugins semisync_source and semisync_replica must be loaded from its settings: %w", err)
	}
	if err != nil {
		return err
	}
	source, err := mysqlcluster.ReadSemiSync(ctx, on, lookTimeout, mysqlcluster.MySQLSemiSync)
	if err != nil {
		return err
	}
	if err := source.Complete(); err != nil {
		return err
	}
	m.Source = Source{
		Enabled: source.Enabled, Active: source.Active, Clients: source.Replicas, Waiting: source.Waiting,
		acknowledged: source.Acknowledged, unacknowledged: source.Unacknowledged,
	}
	m.want(source.AfterSync, "rpl_semi_sync_source_wait_point must be AFTER_SYNC")
	m.want(source.NeverFallsBack(), "rpl_semi_sync_source_timeout must be a day at least and "+
		"rpl_semi_sync_source_wait_no_replica ON: it must never fall back")
	m.want(source.Count >= 1, "rpl_semi_sync_source_wait_for_replica_count must be at least 1")
	m.want(m.Acknowledges, "rpl_semi_sync_replica_enabled must be ON")
	// It comes last, right before the receiver's state, which it is held against.
	return single(ctx, on, "SELECT COALESCE((SELECT VARIABLE_VALUE = 'ON' FROM performance_schema.global_status "+
		"WHERE VARIABLE_NAME = 'Rpl_semi_sync_replica_status'), FALSE)", &m.acknowledging)
}

// errOtherChannels says that a member answers, and that its state is not understood.
var errOtherChannels = errors.New("it has other replication channels than the default one")

// readReceiver reads which source it follows.
func (m *Member) readReceiver(ctx context.Context, on mysqlcluster.Querier) error {
	const query = "SELECT c.CHANNEL_NAME, c.HOST, c.PORT, c.AUTO_POSITION, s.SOURCE_UUID, s.SERVICE_STATE, " +
		"s.LAST_ERROR_MESSAGE, s.RECEIVED_TRANSACTION_SET, c.HEARTBEAT_INTERVAL, " +
		"COALESCE(TIMESTAMPDIFF(MICROSECOND, GREATEST(s.LAST_HEARTBEAT_TIMESTAMP, " +
		"s.QUEUEING_TRANSACTION_START_QUEUE_TIMESTAMP, s.LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP), " +
		"NOW(6)) / 1e6, 0) FROM performance_schema.replication_connection_configuration c " +
		"JOIN performance_schema.replication_connection_status s USING (CHANNEL_NAME) " +
		"WHERE c.CHANNEL_NAME NOT LIKE 'group\\_replication\\_%'"
	return mysqlcluster.EachRow(ctx, on, lookTimeout, query, nil, func(row *sql.Rows) error {
		var channel, host, automatic string
		var port int
		r := &Receiver{}
		err := row.Scan(&channel, &host, &port, &automatic, &r.SourceUUID, &r.State, &r.Error, &r.Received,
			&r.HeartbeatSeconds, &r.SilentSeconds)
		if err != nil {
			return err
		}
		if channel != "" || m.Receiver != nil {
			return errOtherChannels
		}
		r.Source, r.Received = address(host, port), oneLine(r.Received)
		r.automatic = automatic == "1" || strings.EqualFold(automatic, "YES")
		m.Receiver = r
		return nil
	})
}

// address is a member's name as the driver writes it, IPv6 in brackets.
func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// readApplier reads whether what it receives is applied.
func (m *Member) readApplier(ctx context.Context, on mysqlcluster.Querier) error {
	if m.Receiver == nil {
		return nil
	}
	var state string
	const query = "SELECT SERVICE_STATE FROM performance_schema.replication_applier_status WHERE CHANNEL_NAME = ''"
	if err := single(ctx, on, query, &state); err != nil {
		return err
	}
	m.Receiver.Applying = state == "ON"
	// The coordinator only points at the worker's message.
	const failures = "SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_applier_status_by_worker " +
		"WHERE CHANNEL_NAME = '' AND LAST_ERROR_NUMBER <> 0 ORDER BY LAST_ERROR_TIMESTAMP DESC LIMIT 1"
	return mysqlcluster.EachRow(ctx, on, lookTimeout, failures, nil,
		func(row *sql.Rows) error { return row.Scan(&m.Receiver.ApplyError) })
}

// readClone reads whether it is being rebuilt. A server that died meanwhile keeps that state, so the session must be
// there as well.
func (m *Member) readClone(ctx context.Context, on mysqlcluster.Querier) error {
	const last = "SELECT STATE = 'In Progress' AND PID IN (SELECT ID FROM performance_schema.processlist) " +
		"FROM performance_schema.clone_status"
	err := mysqlcluster.EachRow(ctx, on, lookTimeout, last, nil,
		func(row *sql.Rows) error { return row.Scan(&m.Cloning) })
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErNoSuchTable {
		return nil // the plugin is not loaded, so it never was
	}
	return err
}

// want notes a setting that is not as it must be.
func (m *Member) want(ok bool, what string) {
	if !ok {
		m.Wrong = append(m.Wrong, what)
	}
}

// checkVersion refuses servers whose behaviour is not known.
func checkVersion(version string) error {
	if strings.Contains(version, "MariaDB") {
		return rail.Refuse(rail.WrongState, "the supervisor is for MySQL; MariaDB (%s) has neither super_read_only, "+
			"offline_mode nor clone, without which an old primary cannot be kept from answering: "+
			"open and promote its members by hand",
			version)
	}
	parts := strings.SplitN(version, ".", 3)
	major, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) < 3 {
		return fmt.Errorf("the version %q is not understood", version)
	}
	minor, err := strconv.Atoi(parts[1])
	if err != nil {
		return fmt.Errorf("the version %q is not understood", version)
	}
	if major < 8 || major == 8 && minor < 4 {
		return rail.Refuse(rail.WrongState, "the supervisor needs MySQL 8.4 or newer, not %s", version)
	}
	return nil
}

// single scans the one row that a query must have.
func single(ctx context.Context, on mysqlcluster.Querier, query string, into ...any) error {
	found := false
	err := mysqlcluster.EachRow(ctx, on, lookTimeout, query, nil, func(row *sql.Rows) error {
		found = true
		return row.Scan(into...)
	})
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", firstWords(query), sql.ErrNoRows)
	}
	return err
}
