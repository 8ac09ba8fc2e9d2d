package mysqlcluster

import (
	"errors"

	"github.com/go-sql-driver/mysql"
)

// The error numbers of MySQL and MariaDB that more than one package goes by.
const (
	ErUnknownDatabase = 1049 // ER_BAD_DB_ERROR
	ErNoSuchTable     = 1146 // ER_NO_SUCH_TABLE
	ErUnknownVariable = 1193 // ER_UNKNOWN_SYSTEM_VARIABLE
	ErLockWaitTimeout = 1205 // ER_LOCK_WAIT_TIMEOUT
)

// ErrorNumber is the number of a server's answer, 0 for every other error and for nil.
func ErrorNumber(err error) uint16 {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return answer.Number
	}
	return 0
}
