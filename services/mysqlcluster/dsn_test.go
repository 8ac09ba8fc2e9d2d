package mysqlcluster_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/mysqlcluster"
)

// at is a data source name with parameters.
func at(parameters string) string {
	return "who:s3cret/?x=y@tcp(127.0.0.1:3306)/interlock" + parameters
}

func TestParse_TakesWhatLeadsThere(t *testing.T) {
	for _, parameters := range []string{
		"", "?", "?timeout=2s", "?readTimeout=1s&writeTimeout=1s", "?compress=true", "?tls=true",
		"?tls=skip-verify&allowFallbackToPlaintext=true", "?allowCleartextPasswords=true",
		"?allowNativePasswords=false",
		"?connectionAttributes=program_name:interlock",
	} {
		c, err := mysqlcluster.Parse(at(parameters))
		require.NoError(t, err, parameters)
		require.Equal(t, "interlock", c.DBName)
		require.Equal(t, "s3cret/?x=y", c.Passwd)
		require.Empty(t, c.Params)
		require.True(t, c.InterpolateParams)
		require.True(t, c.CheckConnLiveness)
	}
}

// TestParse_RefusesAllElse goes through all that go-sql-driver knows besides, and through ways to say it that it does
// not: what it does not know, it sends to the server as a variable.
func TestParse_RefusesAllElse(t *testing.T) {
	for _, parameters := range []string{
		"allowAllFiles=true", "allowOldPasswords=true", "charset=utf8mb4", "checkConnLiveness=false",
		"clientFoundRows=true",
		"collation=utf8mb4_bin", "columnsWithAlias=true", "interpolateParams=false", "loc=Local", "maxAllowedPacket=0",
		"multiStatements=true", "parseTime=true", "rejectReadOnly=true", "serverPubKey=x", "timeTruncate=1s",
		"strict=true", // at which the driver panics

		"character_set_client=gbk", "character_set_connection=gbk", "character_set_results=gbk",
		"collation_connection=gbk_bin", "sql_mode=%27%27", "SQL_MODE=''", "wait_timeout=1%2Csql_mode%3D''",
		"init_connect=x",
		"autocommit=0", "transaction_isolation='READ-UNCOMMITTED'", "@@sql_mode=''", "char%73et=gbk", " charset=gbk",
		"Charset=gbk", "NAMES gbk, @x=1", "=gbk",
	} {
		name, _, _ := strings.Cut(parameters, "=")
		for _, all := range []string{
			parameters, "timeout=1s&" + parameters, parameters + "&tls=true", "&&" + parameters,
		} {
			_, err := mysqlcluster.Parse(at("?" + all))
			require.ErrorContains(t, err, `"`+name+`"`, all)
			require.ErrorContains(t, err, "allowCleartextPasswords", "it says what may be given")
			require.NotContains(t, err.Error(), "s3cret")
		}
	}
	for _, broken := range []string{
		"nothing", "who@tcp(127.0.0.1/x", at("?charset"), at("?timeout=soon"), at("?tls=of+somebody"),
	} {
		_, err := mysqlcluster.Parse(broken)
		require.Error(t, err, broken)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestBeside(t *testing.T) {
	for dsn, want := range map[string]string{
		"u:p@tcp(db:3306)/interlock":                    "u:p@tcp(db:3306)/interlock_pay",
		"u:p?x/y@tcp(db:3306)/interlock?tls=true":       "u:p?x/y@tcp(db:3306)/interlock_pay?tls=true",
		"u@unix(/run/mysqld.sock)/interlock?timeout=1s": "u@unix(/run/mysqld.sock)/interlock_pay?timeout=1s",
	} {
		beside, database, err := mysqlcluster.Beside(dsn, "_pay")
		require.NoError(t, err)
		require.Equal(t, want, beside)
		require.Equal(t, "interlock", database)
		c, err := mysqlcluster.Parse(beside)
		require.NoError(t, err)
		require.Equal(t, "interlock_pay", c.DBName)
	}
	for _, wrong := range []string{"", "u@tcp(db)/", "u@tcp(db)/interlock?multiStatements=true"} {
		_, _, err := mysqlcluster.Beside(wrong, "_pay")
		require.Error(t, err, wrong)
	}
}
