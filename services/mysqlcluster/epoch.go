package mysqlcluster

import (
	"context"
	"database/sql"
	"time"
)

// Epoch is the row by which a member knows which opening of the cluster it belongs to.
type Epoch struct {
	// Number rises with every opening of a member. 0: none was ever opened.
	Number int64
	// Opened is the name of the member that was opened with it.
	Opened string
	// TableExists is false on a member whose ledger has not been migrated yet.
	TableExists bool
}

// ReadEpoch reads the epoch as a member has it. The zero Epoch stands for a member without the table or the database.
func ReadEpoch(ctx context.Context, on Querier, limit time.Duration, database string) (Epoch, error) {
	e := Epoch{TableExists: true}
	err := EachRow(ctx, on, limit, "SELECT epoch, primary_member FROM "+Quote(database)+".cluster WHERE id = 1", nil,
		func(row *sql.Rows) error { return row.Scan(&e.Number, &e.Opened) })
	switch ErrorNumber(err) {
	case ErNoSuchTable, ErUnknownDatabase:
		return Epoch{}, nil
	}
	return e, err
}
