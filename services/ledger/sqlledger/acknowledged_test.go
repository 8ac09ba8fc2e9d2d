package sqlledger_test

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// TestCommit_AnsweredWithoutAReplica lets commits wait for a replica that is not there, and then ends the wait in the
// two ways in which a primary answers them OK all the same. A client that believes the OK is told so; the ledger never
// is.
func TestCommit_AnsweredWithoutAReplica(t *testing.T) {
	for _, flavor := range []struct {
		name    string
		start   func(context.Context, servers.SQLOptions) (*servers.SQLServer, error)
		args    []string
		install string
		prefix  string
	}{
		{
			"MySQL", servers.StartMySQL, nil, "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
			"rpl_semi_sync_source_",
		},
		{
			"MariaDB", servers.StartMariaDB,
			[]string{"--log-bin", "--rpl-semi-sync-master-wait-point=AFTER_SYNC"},
			"DO 0",
			"rpl_semi_sync_master_",
		},
	} {
		t.Run(flavor.name, func(t *testing.T) {
			server, err := flavor.start(t.Context(), servers.SQLOptions{Relaxed: true, Args: flavor.args})
			serverstest.Require(t, err)
			t.Cleanup(func() {
				require.NoError(t, server.Kill())
				require.NoError(t, server.Close())
			})
			o := sqlledger.Options{DSN: server.DSN("interlock"), CommitTimeout: 20 * time.Second}
			require.NoError(t, sqlledger.Migrate(t.Context(), o))
			local := o
			local.Durability = sqlledger.Local
			a, b := ledgertest.NewRun(ledgertest.NewTrain("T12"), day),
				ledgertest.NewRun(ledgertest.NewTrain("T13"), day)
			alone := ledgertest.Open(t, local)
			_, err = alone.Publish(t.Context(), []*rail.Run{a, b}, "an admin", false)
			require.NoError(t, err)
			_, err = alone.Sell(t.Context(), ledger.Batch{RunID: b.ID}, sells("zhao", 5))
			require.NoError(t, err)

			db, err := sql.Open("mysql", server.DSN("interlock"))
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() }) // the server may be gone by then
			exec := func(statement string) {
				t.Helper()
				_, err := db.ExecContext(t.Context(), statement)
				require.NoError(t, err, statement)
			}
			exec("CREATE TABLE naive (n INT NOT NULL PRIMARY KEY)")
			exec(flavor.install)
			exec("SET GLOBAL " + flavor.prefix + "timeout = 4294967295")

			// round has four kinds of the ledger's commits wait, and one of a client that believes an OK.
			round := func(n int, end func()) (naive error) {
				exec("SET GLOBAL " + flavor.prefix + "enabled = 1")
				l := ledgertest.Open(t, o)
				buyer := "wang-" + strconv.Itoa(n)
				commits := map[string]func() error{
					"naive": func() error {
						_, err := db.ExecContext(context.Background(), "INSERT INTO naive VALUES (?)", n)
						return err
					},
					"sale": func() error {
						_, err := l.Sell(t.Context(), ledger.Batch{RunID: a.ID}, sells(buyer, n))
						return err
					},
					"payment": func() error {
						_, _, err := ledgertest.Pay(t.Context(), l, b.ID, firstOrder(b.ID, "zhao"), "zhao", "pay0001")
						return err
					},
					"relay": func() error {
						rows, err := l.TakeEvents(t.Context(), "", ledger.MaxTake)
						require.Empty(t, rows)
						return err
					},
					"publication": func() error {
						station := &rail.Station{
							Code: rail.StationCode("AB" + string(rune('A'+n))),
							Name: "Somewhere", TimeZone: "UTC",
						}
						_, err := l.PutStations(t.Context(), []*rail.Station{station}, "an admin")
						return err
					},
				}
				type outcome struct {
					name string
					err  error
				}
				outcomes := make(chan outcome, len(commits))
				for name, commit := range commits {
					go func() { outcomes <- outcome{name, commit()} }()
				}
				require.Eventually(t, func() bool { return committing(t, db) == len(commits) },
					10*time.Second, 10*time.Millisecond,
					"all commits wait for a replica")
				end()
				for range commits {
					o := <-outcomes
					if o.name == "naive" {
						naive = o.err
						continue
					}
					require.ErrorIs(t, o.err, ledger.ErrInDoubt, "the %s is on no replica", o.name)
				}
				require.EqualValues(t, 4, l.Stats().CommitsInDoubt)
				require.Zero(t, l.Stats().Commits)
				return naive
			}
			naive := round(0, func() { exec("SET GLOBAL " + flavor.prefix + "enabled = 0") })
			require.NoError(t, naive, "an OK that no replica stands behind")
			naive = round(1, func() {
				// Those behind the first come to wait when it is on again.
				require.Eventually(t, func() bool {
					exec("SET GLOBAL " + flavor.prefix + "enabled = 0")
					exec("SET GLOBAL " + flavor.prefix + "enabled = 1")
					return committing(t, db) == 0
				}, 10*time.Second, 10*time.Millisecond, "none waits any more")
			})
			require.NoError(t, naive, "and switched on again at once, it does not even show in the state")
			naive = round(2, func() {
				require.NoError(t, server.Signal(syscall.SIGTERM))
				<-server.Done()
			})
			t.Logf("whoever believes an OK was told by a server that is shut down: %v", naive)
		})
	}
}

// committing counts the statements that commit just now. One of them waits for a replica, the others for their turn.
func committing(t *testing.T, db *sql.DB) int {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SHOW PROCESSLIST")
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	count := 0
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		for i, name := range columns {
			if name == "Info" && (strings.HasPrefix(values[i].String, "COMMIT") ||
				strings.HasPrefix(values[i].String, "INSERT INTO naive")) {
				count++
			}
		}
	}
	require.NoError(t, rows.Err())
	return count
}
