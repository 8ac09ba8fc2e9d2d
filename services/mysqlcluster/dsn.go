package mysqlcluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// parameters are all that a data source name may have. They say how to reach a server and how to log in. None changes
// what a statement means or an answer holds. System variables are not among them: the driver puts their values into a
// statement as they are.
var parameters = []string{
	"allowCleartextPasswords",
	"allowFallbackToPlaintext",
	"allowNativePasswords",
	"compress",
	"connectionAttributes",
	"readTimeout",
	"timeout",
	"tls",
	"writeTimeout",
}

// Parse reads a data source name as go-sql-driver does. It refuses every parameter but a few. Its errors name a
// parameter, never a value.
func Parse(dsn string) (*mysql.Config, error) {
	if err := checkParameters(dsn); err != nil {
		return nil, err
	}
	c, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.Logger = &mysql.NopLogger{} // What it would write goes up as an error, too.
	c.InterpolateParams = true    // It saves a round trip, and some statements cannot be prepared.
	return c, nil
}

// checkParameters comes before the driver has read the name: the driver panics at one parameter, and ignores others
// silently.
func checkParameters(dsn string) error {
	_, query, _ := strings.Cut(dsn[strings.LastIndexByte(dsn, '/')+1:], "?")
	for parameter := range strings.SplitSeq(query, "&") {
		name, _, found := strings.Cut(parameter, "=")
		switch {
		case parameter == "":
		case !found:
			return errors.New("a parameter has no value")
		case !slices.Contains(parameters, name):
			return fmt.Errorf("the parameter %q may not be given: text is always utf8mb4, and what else a session is "+
				"set to is not for the data source name to choose. These may be: %s",
				name, strings.Join(parameters, ", "))
		}
	}
	return nil
}

// Beside is the data source name of another database on the same server, whose name has the suffix besides, and the
// name of the database that dsn leads to.
func Beside(dsn, suffix string) (beside, database string, err error) {
	c, err := Parse(dsn)
	if err != nil {
		return "", "", err
	}
	if c.DBName == "" {
		return "", "", errors.New("it names no database")
	}
	end := len(dsn)
	slash := strings.LastIndexByte(dsn, '/')
	if query := strings.IndexByte(dsn[slash:], '?'); query >= 0 {
		end = slash + query
	}
	return dsn[:end] + suffix + dsn[end:], c.DBName, nil
}
