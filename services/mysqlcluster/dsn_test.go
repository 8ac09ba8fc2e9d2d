package mysqlcluster_test

import (
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
		"", "?", "?timeout=2s", "?readTimeout=1s&writeTimeout=1s", "?tls=true", "?tls=skip-verify&allowFallbackToPlaintext=true",
		"?allowCleartextPasswords=true", "?allowNativePasswords=false", "?compress=true", "?connectionAttributes=program_name:interlock",
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

// TestParse_RefusesAllElse goes through all that go-sql-driver knows besides, and through ways to say it that it does not:
// what it does not know, it sends to the server as a variable.
func TestParse_RefusesAllElse(t *testing.T) {
	for name, parameters := range map[string]string{
		"allowAllFiles": "allowAllFiles=true", "allowOldPasswords": "allowOldPasswords=true", "charset": "charset=utf8mb4",
		"checkConnLiveness": "checkConnLiveness=false", "clientFoundRows": "clientFoundRows=true", "collation": "collation=utf8mb4_bin",
		"columnsWithAlias": "columnsWithAlias=true", "interpolateParams": "interpolateParams=false", "loc": "loc=Local",
		"maxAllowedPacket": "maxAllowedPacket=0", "multiStatements": "multiStatements=true", "parseTime": "parseTime=true",
		"rejectReadOnly": "rejectReadOnly=true", "serverPubKey": "serverPubKey=x", "timeTruncate": "timeTruncate=1s",
		"strict": "strict=true", // at which the driver panics

		"character_set_client": "character_set_client=gbk", "character_set_connection": "character_set_connection=gbk",
		"character_set_results": "character_set_results=gbk", "collation_connection": "collation_connection=gbk_bin",
		"sql_mode": "sql_mode=%27%27", "SQL_MODE": "SQL_MODE=''", "wait_timeout": "wait_timeout=1%2Csql_mode%3D''",
		"init_connect": "init_connect=x", "autocommit": "autocommit=0", "transaction_isolation": "transaction_isolation='READ-UNCOMMITTED'",
		"@@sql_mode": "@@sql_mode=''", "char%73et": "char%73et=gbk", " charset": " charset=gbk", "Charset": "Charset=gbk",
		"NAMES gbk, @x": "NAMES gbk, @x=1", "": "=gbk",
	} {
		for _, all := range []string{parameters, "timeout=1s&" + parameters, parameters + "&tls=true", "&&" + parameters} {
			_, err := mysqlcluster.Parse(at("?" + all))
			require.ErrorContains(t, err, `"`+name+`"`, all)
			require.ErrorContains(t, err, "allowCleartextPasswords", "it says what may be given")
			require.NotContains(t, err.Error(), "s3cret")
		}
	}
	for _, broken := range []string{"nothing", "who@tcp(127.0.0.1/x", at("?charset"), at("?timeout=soon"), at("?tls=of+somebody")} {
		_, err := mysqlcluster.Parse(broken)
		require.Error(t, err, broken)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
