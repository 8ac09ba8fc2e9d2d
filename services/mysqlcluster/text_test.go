package mysqlcluster_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers"
	"interlock/internal/servers/serverstest"
	"interlock/services/mysqlcluster"
)

func TestMain(m *testing.M) { os.Exit(serverstest.Main(m)) }

// text is how a server answers mysqlcluster.TextQuery.
func text(words ...string) *mysqlcluster.Text {
	var t mysqlcluster.Text
	for i, field := range t.Fields() {
		*field.(*string) = words[i]
	}
	return &t
}

func TestText_Problem(t *testing.T) {
	const mode = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
	right := []string{"utf8mb4", "utf8mb4", "utf8mb4", "utf8mb4_bin", mode, "utf8mb4", "ONLY_FULL_GROUP_BY," + mode}
	require.Empty(t, text(right...).Problem())
	for _, harmless := range []struct {
		column int
		value  string
	}{
		{5, "latin1"},
		{5, "utf8mb3"},
		{5, "cp1250"},
		{6, ""},
		{6, mode},
		{6, "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER"},
	} {
		words := append([]string{}, right...)
		words[harmless.column] = harmless.value
		require.Empty(t, text(words...).Problem(), harmless)
	}
	for _, wrong := range []struct {
		column int
		value  string
		server bool
	}{
		{0, "gbk", false},
		{0, "utf8mb3", false},
		{0, "binary", false},
		{1, "latin1", false},
		{2, "", false},
		{2, "gbk", false},
		{3, "utf8mb4_general_ci", false},
		{4, "", false},
		{4, mode + ",NO_BACKSLASH_ESCAPES", false},
		{5, "big5", true},
		{5, "cp932", true},
		{5, "gb18030", true},
		{5, "gbk", true},
		{5, "sjis", true},
		{6, mode + ",NO_BACKSLASH_ESCAPES", true},
		{6, "ANSI_QUOTES", true},
		{6, "PIPES_AS_CONCAT", true},
		{6, "EMPTY_STRING_IS_NULL", true},
		{6, "A_MODE_OF_TOMORROW", true},
	} {
		words := append([]string{}, right...)
		words[wrong.column] = wrong.value
		require.NotEmpty(t, text(words...).Problem(), wrong)
		require.Equal(t, wrong.server, text(words...).ServerProblem() != "", wrong)
		require.Equal(t, !wrong.server, text(words...).SessionProblem() != "", wrong)
	}
}

// TestConnector_SetsSessions connects to servers as they are without any configuration.
func TestConnector_SetsSessions(t *testing.T) {
	for name, server := range map[string]func(testing.TB) *servers.SQLServer{
		"MySQL": serverstest.MySQLServer, "MariaDB": serverstest.MariaDBServer,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := mysqlcluster.Parse(server(t).DSN(""))
			require.NoError(t, err)
			connector, err := mysqlcluster.Connector(c, (*mysqlcluster.Text).Problem)
			require.NoError(t, err)
			db := sql.OpenDB(connector)
			defer db.Close()
			var is mysqlcluster.Text
			require.NoError(t, db.QueryRowContext(t.Context(), mysqlcluster.TextQuery).Scan(is.Fields()...))
			require.Empty(t, is.Problem())
			var zone string
			require.NoError(t, db.QueryRowContext(t.Context(), "SELECT @@SESSION.time_zone").Scan(&zone))
			require.Equal(t, "+00:00", zone)
			require.Empty(t, c.Params, "the caller's own")
		})
	}
}
