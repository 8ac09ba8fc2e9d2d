package ledgertest

import (
	"database/sql/driver"

	"interlock/services/ledger/sqlledger/intercept"
)

// Statement is a statement on its way to the database.
type Statement = intercept.Statement

// Interceptor is called for every statement.
type Interceptor = intercept.Interceptor

// Intercept puts an interceptor between database/sql and a driver.
func Intercept(c driver.Connector, i Interceptor) driver.Connector { return intercept.Intercept(c, i) }

// WithoutVersionCheck takes away what keeps seats from being sold twice.
func WithoutVersionCheck(c driver.Connector) driver.Connector {
	return intercept.WithoutVersionCheck(c)
}

// WithoutReplication takes away what keeps orders from being answered that no replica has.
func WithoutReplication(c driver.Connector) driver.Connector {
	return intercept.WithoutReplication(c)
}
