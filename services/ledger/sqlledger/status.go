package sqlledger

import (
	"context"
	"database/sql"

	"interlock/services/mysqlcluster"
)

// Status is what the ledger is, for banners and metrics.
type Status struct {
	Flavor     Flavor
	Version    string
	Durability Durability
	// Place is the file, or the server's address and database, without user and password.
	Place string
	// ReadOnly and SemiSync are the primary's at this moment; Replicas is how many acknowledge its commits.
	ReadOnly bool
	SemiSync bool
	Replicas int
}

// Status tells what the ledger is, and how its primary is just now.
func (l *link) Status(ctx context.Context) (Status, error) {
	s := Status{Flavor: l.Flavor(), Durability: l.options.Durability}
	p, err := l.primary()
	if err != nil {
		return s, err
	}
	s.Version, s.Place = p.dialect.version, p.place
	if p.dialect.flavor == SQLite {
		return s, nil
	}
	if s.ReadOnly, err = l.readOnly(ctx, p); err != nil {
		return s, definite(err)
	}
	state, err := mysqlcluster.ReadSemiSync(ctx, p.background.sql, l.options.StatementTimeout, p.dialect.semiSync())
	s.SemiSync, s.Replicas = state.Enabled && state.Active, int(state.Replicas)
	return s, definite(err)
}

func (l *link) readOnly(ctx context.Context, p *primary) (bool, error) {
	var check primaryCheck
	err := mysqlcluster.EachRow(ctx, p.background.sql, l.options.StatementTimeout, "SELECT "+p.checkColumns(Local), nil,
		func(r *sql.Rows) error {
			return r.Scan(check.fields()...)
		})
	return mysqlcluster.IsOn(check.readOnly), err
}
