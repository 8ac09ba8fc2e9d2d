//go:build lab

// A cluster takes a minute or two to prove itself on two busy cores, so only `make test-all` runs these tests. By hand:
// go test -tags lab ./lab/...

package cluster_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/lab/cluster"
	"interlock/lab/labtest"
	"interlock/lab/load"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// settings are what every member must be set to, primary or not: each may be primary one day.
var settings = map[servers.Flavor]map[string]string{
	servers.MySQL: {
		"sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "relay_log_recovery": "OFF", "sync_relay_log": "1",
		"replica_net_timeout": "4", "gtid_mode": "ON", "enforce_gtid_consistency": "ON",
		"rpl_semi_sync_source_wait_point": "AFTER_SYNC", "rpl_semi_sync_source_wait_for_replica_count": "1",
		"rpl_semi_sync_source_wait_no_replica": "ON", "rpl_semi_sync_source_timeout": "4294967295",
		"rpl_semi_sync_replica_enabled": "ON",
	},
	servers.MariaDB: {
		"sync_binlog": "1", "innodb_flush_log_at_trx_commit": "1", "relay_log_recovery": "OFF", "sync_relay_log": "1",
		"slave_net_timeout": "4", "gtid_strict_mode": "ON", "binlog_format": "ROW",
		"rpl_semi_sync_master_wait_point": "AFTER_SYNC", "rpl_semi_sync_master_wait_no_slave": "ON",
		"rpl_semi_sync_master_timeout": "4294967295", "rpl_semi_sync_slave_enabled": "ON",
	},
}

// protection is the variable that keeps a member from being written.
var protection = map[servers.Flavor]string{servers.MySQL: "super_read_only", servers.MariaDB: "read_only"}

func TestCluster(t *testing.T) {
	path := labtest.Program(t)
	for _, flavor := range []servers.Flavor{servers.MySQL, servers.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			c, err := cluster.Start(t.Context(), cluster.Options{Flavor: flavor, Servers: 1, Binary: path})
			serverstest.Require(t, err)
			t.Cleanup(func() { require.NoError(t, c.Close()) })

			opened(t, c)
			run := sellsOnlyWithReplicas(t, c)
			staysShutAfterACrash(t, c, run)
		})
	}
}

// opened checks that the members are what they were to become.
func opened(t *testing.T, c *cluster.Cluster) {
	require.NoError(t, c.AwaitReplicas(t.Context()), "replicas have what the primary has")
	for _, member := range append([]*servers.SQLServer{c.Primary}, c.Replicas...) {
		for name, want := range settings[c.Flavor()] {
			require.Equal(t, want, variable(t, member, name), "%s of %s", name, member.Addr())
		}
	}
	require.Equal(t, "OFF", variable(t, c.Primary, protection[c.Flavor()]))
	for _, replica := range c.Replicas {
		require.Equal(t, "ON", variable(t, replica, protection[c.Flavor()]))
	}
	if c.Flavor() == servers.MySQL {
		executed := variable(t, c.Primary, "gtid_executed")
		require.NotContains(t, executed, ",", "one history: no member has transactions of its own")
		for _, replica := range c.Replicas {
			require.Equal(t, executed, variable(t, replica, "gtid_executed"))
		}
	}
}

// sellsOnlyWithReplicas takes the replicas away: nothing is sold, and what was asked meanwhile is told once one is
// back. It returns the run that was sold.
func sellsOnlyWithReplicas(t *testing.T, c *cluster.Cluster) (run string) {
	server := c.Servers()[0].Addr()
	admin, err := c.Tokens().Issue("boss", []rail.Role{rail.RoleAdmin}, time.Hour)
	require.NoError(t, err)
	runs, err := load.Publish(t.Context(), server, admin, "T12", 256, 1)
	require.NoError(t, err)
	require.NoError(t, load.AwaitRun(t.Context(), server, runs[0].ID))

	number, err := place(t, c, runs[0].ID, "key-00000001")
	require.NoError(t, err)
	require.NotEmpty(t, number)

	for _, replica := range c.Replicas {
		require.NoError(t, replica.Kill())
	}
	eventually(t, func() bool { return cluster.Ready(t.Context(), server) != nil })
	_, err = place(t, c, runs[0].ID, "key-00000002")
	require.Error(t, err)
	require.Regexp(t, "^(UNAVAILABLE|ORDER_PENDING)", err.Error())

	require.NoError(t, c.Replicas[0].Start(t.Context()))
	eventually(t, func() bool { return cluster.Ready(t.Context(), server) == nil })
	eventually(t, func() bool {
		number, err = place(t, c, runs[0].ID, "key-00000002")
		return err == nil && number != ""
	})
	again, err := place(t, c, runs[0].ID, "key-00000002")
	require.NoError(t, err)
	require.Equal(t, number, again, "one key is one order, also over this")
	return runs[0].ID
}

// staysShutAfterACrash kills the primary: it comes back read-only and asynchronous, and no server sells on it.
func staysShutAfterACrash(t *testing.T, c *cluster.Cluster, run string) {
	require.NoError(t, c.Primary.Kill())
	require.NoError(t, c.Primary.Start(t.Context()))
	require.Equal(t, "ON", variable(t, c.Primary, protection[c.Flavor()]))
	require.Error(t, cluster.Ready(t.Context(), c.Servers()[0].Addr()))
	_, err := place(t, c, run, "key-00000003")
	require.ErrorContains(t, err, "UNAVAILABLE")
}

// place buys a ticket, and is the order's number.
func place(t *testing.T, c *cluster.Cluster, run, key string) (number string, err error) {
	t.Helper()
	token, err := c.Tokens().Issue("ann", []rail.Role{rail.RolePassenger}, time.Hour)
	require.NoError(t, err)
	var answer struct {
		PlaceOrder struct {
			Order      *struct{ Number string }
			UserErrors []struct{ Code, Message string }
		}
	}
	err = load.API{Server: c.Servers()[0].Addr(), Token: token}.Ask(t.Context(),
		`mutation($i:PlaceOrderInput!){placeOrder(input:$i){order{number} userErrors{code message}}}`,
		map[string]any{"i": map[string]any{
			"idempotencyKey": key, "runId": run, "from": load.StationCode(3), "to": load.StationCode(9),
			"passengers": []any{map[string]any{
				"name": "Ann", "documentNumber": "D" + strings.ReplaceAll(key, "-", ""), "seatClass": "SECOND",
			}},
		}}, &answer)
	require.Empty(t, answer.PlaceOrder.UserErrors)
	if answer.PlaceOrder.Order != nil {
		number = answer.PlaceOrder.Order.Number
	}
	return number, err
}

func variable(t *testing.T, server *servers.SQLServer, name string) (value string) {
	t.Helper()
	db, err := sql.Open("mysql", server.DSN(""))
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE '"+name+"'").Scan(&name, &value), name)
	return value
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 30*time.Second, 100*time.Millisecond)
}
