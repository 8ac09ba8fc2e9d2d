package fault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver for reading the members' tables

	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/fault/history"
	"interlock/lab/load"
	"interlock/services/availability"
	"interlock/services/ledger"
	"interlock/services/ledger/sqlledger"
	"interlock/services/rail"
)

// evidence reads what the cluster has of the runs of one fault.
type evidence struct {
	cluster *cluster.Cluster
	// primary is the member that is sold on now.
	primary *servers.SQLServer
	// deleted are the members whose data was deleted.
	deleted []*servers.SQLServer
	ids     []rail.RunID
	after   rail.RunID
	ledger  *sqlledger.Ledger
	cache   *availability.Cache
	close   []func() error
}

// openEvidence opens everything that is to be read. runs are of one train.
func openEvidence(ctx context.Context, c *cluster.Cluster, train string, runs []*load.Run) (_ *evidence, err error) {
	e := &evidence{cluster: c, after: rail.RunID(train + "@")} // before any of its dates
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	for _, run := range runs {
		e.ids = append(e.ids, run.RunID)
	}
	if e.primary, err = primaryOf(ctx, c); err != nil {
		return nil, err
	}
	if e.ledger, err = sqlledger.Open(ctx,
		sqlledger.Options{DSN: c.Members().DSN(e.primary, cluster.Database), Keyring: c.Keyring()}); err != nil {
		return nil, err
	}
	e.close = append(e.close, e.ledger.Close)
	client, err := availability.Connect(availability.Options{Addrs: []string{c.Cache.Addr()}})
	if err != nil {
		return nil, err
	}
	e.close = append(e.close, client.Close)
	e.cache = availability.New(client)
	return e, nil
}

// Close closes what was opened.
func (e *evidence) Close() error {
	var errs []error
	for _, one := range e.close {
		errs = append(errs, one())
	}
	return errors.Join(errs...)
}

// snapshots are all that the primary has written of the runs.
func (e *evidence) snapshots(ctx context.Context) ([]*ledger.AuditSnapshot, error) {
	return e.snapshotsAfter(ctx, e.after, len(e.ids))
}

// snapshotsAfter are all that the primary has written of the runs after another.
func (e *evidence) snapshotsAfter(
	ctx context.Context, after rail.RunID, limit int,
) (all []*ledger.AuditSnapshot, _ error) {
	for snapshot, err := range e.ledger.AuditSnapshots(ctx, after, limit) {
		if err != nil {
			return nil, err
		}
		if snapshot.Run == nil {
			return nil, fmt.Errorf("the run %s cannot be read: %w", snapshot.ID, snapshot.Problem)
		}
		all = append(all, snapshot)
	}
	return all, nil
}

// primaryOf is the member that may be sold on.
func primaryOf(ctx context.Context, c *cluster.Cluster) (*servers.SQLServer, error) {
	if len(c.Supervisors()) == 0 {
		return c.Primary, nil
	}
	found, err := sqlledger.Find(ctx, c.DSNs())
	if err != nil {
		return nil, err
	}
	return c.Members().Servers[found.Index], nil
}

// ask is the one value that a member answers.
func ask(ctx context.Context, server *servers.SQLServer, query string, args ...any) (value string, err error) {
	db, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		return "", err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(ctx, (caughtUpSeconds+1)*time.Second)
	defer cancel()
	return value, db.QueryRowContext(ctx, query, args...).Scan(&value)
}

// endedAt is when a ticket ended by itself: when it was given back, or its change was done.
const endedAt = "COALESCE((SELECT MAX(b.at) FROM refunds b WHERE b.run_id = t.run_id AND b.order_id = t.order_id AND " +
	"b.kind = 'ASKED' AND (b.tickets >> t.n) & 1 = 1), (SELECT MAX(c.ended_at) FROM changes c WHERE " +
	"c.run_id = t.run_id AND c.order_id = t.order_id AND c.ticket = t.n AND c.state = 'DONE'), 0)"

func (e *evidence) tickets(ctx context.Context, server *servers.SQLServer) (_ []history.Stored, err error) {
	db, err := sql.Open("mysql", server.DSN(cluster.Database))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	args := make([]any, len(e.ids))
	for i, id := range e.ids {
		args[i] = string(id)
	}
	rows, err := db.QueryContext(ctx, "SELECT o.number, o.buyer, o.idempotency_key, o.run_id, o.state, o.version, "+
		"o.from_call, o.to_call, "+
		"o.placed_run_version, COALESCE(o.ended_run_version, 0), o.placed_at, COALESCE(o.ended_at, 0), "+
		"COALESCE(o.paid_at, 0), o.pay_by, COALESCE(o.paying_at, 0), COALESCE(o.capture_by, 0), "+
		"t.own_state, COALESCE(t.ended_run_version, 0), COALESCE(o.replaces_order, ''), r.status = 'WITHDRAWN', "+
		endedAt+", "+
		"t.seat_class, t.seat_index, t.coach, t.seat, o.total_minor, o.currency, t.order_id, t.n, t.personal_key, "+
		"t.personal FROM orders o "+
		"JOIN tickets t ON t.run_id = o.run_id AND t.order_id = o.id JOIN runs r ON r.id = o.run_id WHERE o.run_id IN (?"+strings.Repeat(", ?",
		len(args)-1)+")", args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Err(), rows.Close()) }()
	var tickets []history.Stored
	for rows.Next() {
		var t history.Stored
		var placed, ended, paid, payBy, paying, captureBy, ownVersion, ownAt int64
		var key string
		var sealed []byte
		if err := rows.Scan(&t.Number, &t.Buyer, &t.Key, &t.Run, &t.State, &t.Version, &t.From, &t.To, &t.PlacedVersion,
			&t.EndedVersion, &placed, &ended, &paid, &payBy, &paying, &captureBy,
			&t.Own, &ownVersion, &t.Replaces, &t.Withdrawn, &ownAt,
			&t.Class, &t.SeatIndex, &t.Coach, &t.Seat, &t.Total.Minor, &t.Total.Currency,
			&t.OrderID, &t.Ticket, &key, &sealed); err != nil {
			return nil, err
		}
		if t.Passenger, err = sqlledger.OpenPassenger(e.cluster.Keyring(), t.OrderID, t.Ticket, key, sealed); err != nil {
			return nil, err
		}
		if ownVersion != 0 && ownVersion != t.EndedVersion {
			t.EndedVersion, ended = ownVersion, ownAt
		}
		t.PlacedAt, t.PayBy = time.UnixMilli(placed), time.UnixMilli(payBy)
		if ended != 0 {
			t.EndedAt = time.UnixMilli(ended)
		}
		if paid != 0 {
			t.PaidAt = time.UnixMilli(paid)
		}
		if paying != 0 {
			t.PayingAt, t.CaptureBy = time.UnixMilli(paying), time.UnixMilli(captureBy)
		}
		tickets = append(tickets, t)
	}
	return tickets, nil
}

// execute runs a statement on a member as root.
func execute(ctx context.Context, server *servers.SQLServer, statement string) error {
	db, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
