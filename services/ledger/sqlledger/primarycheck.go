package sqlledger

import (
	"context"
	"database/sql"
	"fmt"

	"interlock/services/mysqlcluster"
	"interlock/services/rail"
)

// The primary check is read in every transaction that writes, on the server that will commit it: is it writable, is its
// semi-synchronous replication on, and does it have the epoch that it was found with?

// checkColumns are four columns: the dialect's three, and the cluster's epoch as this server has it, NULL where there
// is no cluster or it was never opened.
func (p *primary) checkColumns(durability Durability) string {
	epoch := "NULL"
	if p.clustered {
		epoch = "(SELECT epoch FROM " + p.clusterTable + " WHERE id = 1)"
	}
	return p.dialect.checkColumns(durability) + ", " + epoch
}

// primaryCheck is a row of the columns.
type primaryCheck struct {
	server, readOnly, semiSync string
	epoch                      sql.NullInt64
}

func (c *primaryCheck) fields() []any { return []any{&c.server, &c.readOnly, &c.semiSync, &c.epoch} }

// problem is nil where the server may be written.
func (c *primaryCheck) problem() error {
	if mysqlcluster.IsOn(c.readOnly) {
		return unavailable("the database is read-only", nil)
	}
	if !mysqlcluster.IsOn(c.semiSync) {
		return unavailable("semi-synchronous replication is off: an answered order might be lost", nil)
	}
	return nil
}

// passes is nil where the server may be written, and is still the primary that was found. An error has a cluster look
// for its primary.
func (t *transaction) passes(c *primaryCheck) error {
	err := c.problem()
	if err == nil && t.primary.clustered && c.epoch.Int64 != t.primary.epoch {
		err = unavailable("the database's primary has changed",
			fmt.Errorf("its epoch is %d, and was %d when it was found", c.epoch.Int64, t.primary.epoch))
	}
	if err != nil && t.l.cluster != nil {
		t.l.cluster.suspect(t.primary, deposed, err)
	}
	return err
}

// checkPrimary checks the transaction's server. A server that was killed and restarted has lost its semi-synchronous
// replication, and its commits would be worth nothing.
func (t *transaction) checkPrimary(ctx context.Context) error {
	var c primaryCheck
	err := t.rows(ctx, "SELECT "+t.primary.checkColumns(t.l.options.Durability), nil, func(row *sql.Rows) error {
		return row.Scan(c.fields()...)
	})
	if err != nil {
		return checkFailure(err)
	}
	if err := t.passes(&c); err != nil {
		return err
	}
	return t.lookAtSemiSync(ctx, c.server)
}

// checkFailure says what an error from reading the check means: a server without the plugin does not know the variable.
func checkFailure(err error) error {
	if mysqlcluster.ErrorNumber(err) == mysqlcluster.ErUnknownVariable {
		return unavailable("semi-synchronous replication is not loaded: an answered order might be lost", err)
	}
	return err
}

// notFound answers for a run or an order that is not there, if the server that says so may be believed.
func (t *transaction) notFound(ctx context.Context, message string, args ...any) error {
	if err := t.checkPrimary(ctx); err != nil {
		return err
	}
	return rail.Refuse(rail.NotFound, message, args...)
}
