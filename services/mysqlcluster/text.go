package mysqlcluster

import (
	"fmt"
	"slices"
	"strings"
)

// What every session is set to. The collation compares bytes, and both servers have it; columns have their own.
const (
	characterSet = "utf8mb4"
	collation    = "utf8mb4_bin"
	sqlMode      = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"
)

// session are the variables that make it so, and have times be UTC. They go out with all others of a new connection, in
// one statement.
var session = map[string]string{
	"character_set_client":  characterSet,
	"character_set_results": characterSet,
	"collation_connection":  collation, // and with it character_set_connection
	"sql_mode":              "'" + sqlMode + "'",
	"time_zone":             "'+00:00'",
}

// TextQuery asks how a server reads text. Text.Fields takes the one row.
const TextQuery = "SELECT @@SESSION.character_set_client, @@SESSION.character_set_connection, " +
	"COALESCE(@@SESSION.character_set_results, ''), @@SESSION.collation_connection, @@SESSION.sql_mode, " +
	"@@GLOBAL.character_set_client, @@GLOBAL.sql_mode"

// Text is how a server reads the text of statements, and writes that of answers.
type Text struct {
	// client, connection, results, collation and mode are the session's.
	client, connection, results, collation, mode string
	// globalClient and globalMode are those of a session that says nothing of them.
	globalClient, globalMode string
}

// Fields are where the columns of TextQuery go.
func (t *Text) Fields() []any {
	return []any{&t.client, &t.connection, &t.results, &t.collation, &t.mode, &t.globalClient, &t.globalMode}
}

// Problem says what is wrong with the session or the server; "" where nothing is.
func (t *Text) Problem() string {
	if problem := t.SessionProblem(); problem != "" {
		return problem
	}
	return t.ServerProblem()
}

// SessionProblem says what of the session is not as it was set; "" where all is. A proxy in between may do that.
func (t *Text) SessionProblem() string {
	for _, variable := range []struct{ name, is, want string }{
		{"character_set_client", t.client, characterSet},
		{"character_set_connection", t.connection, characterSet},
		{"character_set_results", t.results, characterSet},
		{"collation_connection", t.collation, collation},
		{"sql_mode", t.mode, sqlMode},
	} {
		if variable.is != variable.want {
			return fmt.Sprintf("the database does not read text as it is told to: %s was set to %s, and is %q",
				variable.name, variable.want, variable.is)
		}
	}
	return ""
}

// unsafeCharacterSets have characters of several bytes of which one is a quote or a backslash, or another character in
// the place of one of these.
var unsafeCharacterSets = []string{
	"big5", "cp932", "gb18030", "gbk", "sjis", "swe7", "ucs2", "utf16", "utf16le", "utf32",
}

// harmlessModes are the SQL modes that say which data is accepted, and leave the text of a statement as it is. Every
// other mode changes how text is read, or is not known here.
var harmlessModes = []string{
	"ALLOW_INVALID_DATES", "ERROR_FOR_DIVISION_BY_ZERO", "NO_AUTO_CREATE_USER", "NO_AUTO_VALUE_ON_ZERO",
	"NO_DIR_IN_CREATE",
	"NO_ENGINE_SUBSTITUTION", "NO_UNSIGNED_SUBTRACTION", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ONLY_FULL_GROUP_BY",
	"STRICT_ALL_TABLES", "STRICT_TRANS_TABLES", "TIME_TRUNCATE_FRACTIONAL", "TRADITIONAL",
}

// ServerProblem says which setting of the server itself changes how text is read; "" where none does. Our sessions are
// set otherwise. But a proxy that goes on with another connection behind one of ours may forget that.
func (t *Text) ServerProblem() string {
	if slices.Contains(unsafeCharacterSets, t.globalClient) {
		return fmt.Sprintf("the database server's own character_set_client is %s, in which a letter may hold a quote: "+
			"set it to utf8mb4 (SET GLOBAL, and in its configuration)", t.globalClient)
	}
	for mode := range strings.SplitSeq(t.globalMode, ",") {
		if mode != "" && !slices.Contains(harmlessModes, mode) {
			return fmt.Sprintf("the database server's own sql_mode has %s, which changes how text is read: "+
				"take it out (SET GLOBAL, and in its configuration)", mode)
		}
	}
	return ""
}
