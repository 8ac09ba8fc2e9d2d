package serverstest_test

import (
	"database/sql"
	"os"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

func TestDatabases_AreFreshAndApart(t *testing.T) {
	for name, lend := range map[string]func(testing.TB) string{
		"MySQL": serverstest.MySQL, "MariaDB": serverstest.MariaDB,
	} {
		t.Run(name, func(t *testing.T) {
			var first string
			t.Run("first", func(t *testing.T) {
				first = lend(t)
				for _, dsn := range []string{first, lend(t)} { // two of one test are two databases
					db := open(t, dsn)
					_, err := db.Exec("CREATE TABLE seats (label VARCHAR(8) PRIMARY KEY)")
					require.NoError(t, err)
				}
			})
			t.Run("second", func(t *testing.T) {
				second := lend(t)
				require.NotEqual(t, first, second)
				var tables int
				require.NoError(t, open(t, second).QueryRow(
					"SELECT count(*) FROM information_schema.tables WHERE table_schema = database()").Scan(&tables))
				require.Zero(t, tables)
				require.Error(t, open(t, first).Ping(), "the first test's database is gone")
			})
		})
	}
}

func TestRedis_IsEmptyForEachTest(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: serverstest.Redis(t)})
			defer client.Close()
			size, err := client.DBSize(t.Context()).Result()
			require.NoError(t, err)
			require.Zero(t, size)
			require.NoError(t, client.Set(t.Context(), "key", "value", 0).Err())
		})
	}
}

func TestNewRedis_IsTheTestsOwn(t *testing.T) {
	own := serverstest.NewRedis(t)
	require.NoError(t, own.Kill())
	require.NotEqual(t, own.Addr(), serverstest.Redis(t))
}

func open(t *testing.T, dsn string) *sql.DB {
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
