package sqlledger_test

import (
	"bytes"
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"interlock/services/ledger"
	"interlock/services/ledger/ledgertest"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// injection is a buyer's name of printable characters, as every buyer may choose one. In GBK and its like the last byte
// of 李 and the backslash that the driver puts before the quote are one character: the name ends there, and what follows
// is SQL.
const injection = "李',1,1,1,1,1,1,0,1,1,1,1,1,0,3);UPDATE orders SET total_minor=1;COMMIT;#"

// bystander is an order that no attack may touch.
type bystander struct {
	l     *sqlledger.Ledger
	order *rail.Order
}

func newBystander(t *testing.T, o sqlledger.Options) *bystander {
	t.Helper()
	l := ledgertest.Open(t, o)
	run := ledgertest.NewRun(ledgertest.NewTrain("T12"), day)
	_, err := l.Publish(t.Context(), []*rail.Run{run}, "an admin", false)
	require.NoError(t, err)
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: run.ID}, sells("wang", 0))
	require.NoError(t, err)
	order, err := l.Order(t.Context(), firstOrder(run.ID, "wang"))
	require.NoError(t, err)
	require.NotNil(t, order)
	return &bystander{l, order}
}

// attack buys a seat under the hostile name through a ledger's options. It answers why the ledger was not opened.
func (b *bystander) attack(t *testing.T, o sqlledger.Options) (refused error) {
	t.Helper()
	l, err := sqlledger.Open(t.Context(), o)
	if err != nil {
		return err
	}
	defer l.Close()
	_, err = l.Sell(t.Context(), ledger.Batch{RunID: b.order.RunID},
		func(s *ledger.BatchState) (ledger.BatchChanges, error) {
			changes, err := sellSeat(s, "mallory", 1)
			if err == nil {
				changes.Orders[0].Order.Buyer = injection
			}
			return changes, err
		})
	t.Logf("mallory is told: %v", err)
	return nil
}

// requireUnharmed requires that the order is as it was.
func (b *bystander) requireUnharmed(t *testing.T) {
	t.Helper()
	now, err := b.l.Order(t.Context(), b.order.ID)
	require.NoError(t, err)
	require.Equal(t, b.order, now)
	ledgertest.RequireSold(t, b.l)
}

// onServers runs a test on MySQL and MariaDB.
func onServers(t *testing.T, run func(t *testing.T, o sqlledger.Options)) {
	for _, flavor := range ledgertest.Flavors()[1:] {
		t.Run(flavor.Name, func(t *testing.T) { run(t, flavor.New(t)) })
	}
}

// TestOpen_NameThatChangesHowTextIsRead opens ledgers through data source names that have text read otherwise than the
// driver writes it. Each is refused by the parameter's name; where one is not, the attack shows what comes of it.
func TestOpen_NameThatChangesHowTextIsRead(t *testing.T) {
	onServers(t, func(t *testing.T, o sqlledger.Options) {
		b := newBystander(t, o)
		for _, parameter := range []string{
			"charset=gbk", "charset=gb18030,gbk", "character_set_client=gbk", "character_set_client=sjis",
			"character_set_client=%27big5%27", "@@session.character_set_client=gbk",
			"wait_timeout=9,character_set_client%3Dgbk",
			"wait_timeout=9%2Ccharacter_set_client%3Dcp932", "sql_mode=NO_BACKSLASH_ESCAPES",
			"collation=gbk_chinese_ci",
		} {
			t.Run(parameter, func(t *testing.T) {
				bad := o
				bad.DSN += "?" + parameter
				refused := b.attack(t, bad)
				b.requireUnharmed(t)
				name, _, _ := strings.Cut(parameter, "=")
				require.ErrorContains(t, refused, name)
				require.ErrorContains(t, sqlledger.Migrate(t.Context(), bad), name)
				bad.DSN, bad.ReplicaDSN = o.DSN, bad.DSN
				_, err := sqlledger.Open(t.Context(), bad)
				require.ErrorContains(t, err, name, "lists are read through such a name, too")
				_, err = sqlledger.Open(t.Context(), sqlledger.Options{Members: []string{o.DSN, bad.ReplicaDSN}})
				require.ErrorContains(t, err, name)
				_, err = sqlledger.Find(t.Context(), []string{bad.ReplicaDSN})
				require.Error(t, err)
				require.Error(t, sqlledger.JumpVersionsBeforeOpening(t.Context(), bad.ReplicaDSN))
			})
		}
	})
}

// TestReady_ServerThatChangesHowTextIsRead gives the server itself such settings, as its administrator may at any time:
// a ledger is not opened, an open one is not ready and gets no new connections, and says which setting it is.
func TestReady_ServerThatChangesHowTextIsRead(t *testing.T) {
	onServers(t, func(t *testing.T, o sqlledger.Options) {
		b := newBystander(t, o)
		db := ledgertest.DB(t, o)
		for setting, value := range map[string]string{
			"sql_mode NO_BACKSLASH_ESCAPES": "CONCAT(@@GLOBAL.sql_mode, ',NO_BACKSLASH_ESCAPES')",
			"sql_mode ANSI_QUOTES":          "'ANSI_QUOTES'",
			"sql_mode PIPES_AS_CONCAT":      "'PIPES_AS_CONCAT'",
			"character_set_client gbk":      "gbk",
			"character_set_client sjis":     "sjis",
		} {
			t.Run(setting, func(t *testing.T) {
				variable, word, _ := strings.Cut(setting, " ")
				idle := ledgertest.Open(t, o)
				busy := ledgertest.Open(t, o)
				require.NoError(t, busy.Ready(t.Context()))
				var before string
				require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@GLOBAL."+variable).Scan(&before))
				set := func(value string, args ...any) {
					_, err := db.ExecContext(context.WithoutCancel(t.Context()), "SET GLOBAL "+
						variable+" = "+value, args...)
					require.NoError(t, err)
				}
				set(value)
				defer set("?", before)

				refused := b.attack(t, o)
				require.Equal(t, rail.Unavailable, rail.CodeOf(refused), "%v", refused)
				for _, err := range []error{
					refused, idle.Ready(t.Context()), busy.Ready(t.Context()),
					sqlledger.Migrate(t.Context(), o),
				} {
					require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
					require.ErrorContains(t, err, variable)
					require.ErrorContains(t, err, word)
					require.NotContains(t, err.Error(), "127.0.0.1")
				}
				_, err := idle.Sell(t.Context(), ledger.Batch{RunID: b.order.RunID}, nothing)
				require.Equal(t, rail.Unavailable, rail.CodeOf(err), "%v", err)
				set("?", before)
				require.NoError(t, busy.Ready(t.Context()))
				_, err = idle.Sell(t.Context(), ledger.Batch{RunID: b.order.RunID}, nothing)
				require.NoError(t, err)
				b.requireUnharmed(t)
			})
		}
	})
}

// TestOpen_SessionsAreSet logs in as a user whose sessions the server sets to GBK, which is undone before anything is
// read.
func TestOpen_SessionsAreSet(t *testing.T) {
	onServers(t, func(t *testing.T, o sqlledger.Options) {
		b := newBystander(t, o)
		db := ledgertest.DB(t, o)
		c, err := mysql.ParseDSN(o.DSN)
		require.NoError(t, err)
		for _, statement := range []string{
			"SET GLOBAL init_connect = 'SET NAMES gbk, sql_mode = ''NO_BACKSLASH_ESCAPES'''",
			"CREATE USER plain@'%' IDENTIFIED BY 'plain'",
			"GRANT ALL ON " + c.DBName + ".* TO plain@'%'",
		} {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err)
		}
		defer func() {
			for _, statement := range []string{"SET GLOBAL init_connect = ''", "DROP USER plain@'%'"} {
				_, err := db.ExecContext(context.WithoutCancel(t.Context()), statement)
				require.NoError(t, err)
			}
		}()
		c.User, c.Passwd = "plain", "plain"
		o.DSN = c.FormatDSN()
		plain, err := sql.Open("mysql", o.DSN)
		require.NoError(t, err)
		defer plain.Close()
		var client string
		require.NoError(t, plain.QueryRowContext(t.Context(), "SELECT @@character_set_client").Scan(&client))
		require.Equal(t, "gbk", client, "what others get")

		require.NoError(t, b.attack(t, o))
		b.requireUnharmed(t)
		mallorys, err := b.l.Order(t.Context(), rail.NewOrderID(b.order.RunID, 3, "mallory"))
		require.NoError(t, err)
		require.Equal(t, injection, mallorys.Buyer)
	})
}

// changing is a proxy that changes one word of what is sent for another of the same length.
type changing struct {
	net.Conn
	word, into string
	changed    *bool
}

func (c changing) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.word)) {
		*c.changed = true
	}
	return c.Conn.Write(bytes.ReplaceAll(p, []byte(c.word), []byte(c.into)))
}

// TestOpen_ProxyThatChangesSessions has something in between take each setting of a session back. No connection is used
// then.
func TestOpen_ProxyThatChangesSessions(t *testing.T) {
	onServers(t, func(t *testing.T, o sqlledger.Options) {
		b := newBystander(t, o)
		c, err := mysql.ParseDSN(o.DSN)
		require.NoError(t, err)
		for variable, change := range map[string]changing{
			"character_set_client":  {word: "character_set_client = utf8mb4", into: "character_set_client = gbk"},
			"character_set_results": {word: "character_set_results = utf8mb4", into: "character_set_results = NULL"},
			"character_set_connection": {
				word: "collation_connection = utf8mb4_bin",
				into: "collation_connection = gbk_bin",
			},
			// utf8mb4_general_ci
			"collation_connection": {word: "collation_connection = utf8mb4_bin", into: "collation_connection = 45"},
			"sql_mode": {
				word: "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
				into: "'NO_BACKSLASH_ESCAPES'",
			},
		} {
			t.Run(variable, func(t *testing.T) {
				change.into += strings.Repeat(" ", len(change.word)-len(change.into))
				changed := false
				network := t.Name()
				mysql.RegisterDialContext(network, func(ctx context.Context, address string) (net.Conn, error) {
					conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
					return changing{conn, change.word, change.into, &changed}, err
				})
				defer mysql.DeregisterDialContext(network)
				through := o
				through.DSN = "root@" + network + "(" + c.Addr + ")/" + c.DBName
				refused := b.attack(t, through)
				require.True(t, changed, "the proxy has found the word")
				require.Equal(t, rail.Unavailable, rail.CodeOf(refused), "%v", refused)
				require.ErrorContains(t, refused, variable)
				b.requireUnharmed(t)
			})
		}
	})
}

// TestMigrate_ColumnThatDoesNotCompareByteByByte has a table that was made before its database was put right.
func TestMigrate_ColumnThatDoesNotCompareByteByByte(t *testing.T) {
	onServers(t, func(t *testing.T, o sqlledger.Options) {
		l := ledgertest.Open(t, o)
		require.NoError(t, l.Ready(t.Context()))
		_, err := ledgertest.DB(t, o).ExecContext(t.Context(),
			"ALTER TABLE tickets MODIFY coach VARCHAR(8) CHARACTER SET latin1 NOT NULL")
		require.NoError(t, err)
		require.ErrorContains(t, l.Ready(t.Context()), "tickets.coach")
		require.ErrorContains(t, sqlledger.Migrate(t.Context(), o), "tickets.coach")
	})
}

// TestOpen_FileOfAnotherEncoding has a SQLite file whose text is not UTF-8.
func TestOpen_FileOfAnotherEncoding(t *testing.T) {
	o := sqlledger.Options{Path: filepath.Join(t.TempDir(), "ledger.db"), Keyring: ledgertest.Keyring(t)}
	db, err := sql.Open("sqlite", o.Path)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	for _, statement := range []string{"PRAGMA encoding = 'UTF-16le'", "CREATE TABLE something (x TEXT)"} {
		_, err = db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	_, err = sqlledger.Open(t.Context(), o)
	require.ErrorContains(t, err, "UTF-16le")
	require.ErrorContains(t, sqlledger.Migrate(t.Context(), o), "UTF-16le")
}
