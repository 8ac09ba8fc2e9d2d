package sell

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver for reading the ledger's tables

	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/services/audit"
	"interlock/services/availability"
	"interlock/services/ledger/sqlledger"
)

// checkTimeout is for reading a million orders twice.
const checkTimeout = 4 * time.Minute

// check compares all that buyers were told with the ledger.
func (l *lab) check(ctx context.Context, report *Report) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	acknowledged := l.crowd.Journal.Acknowledged()
	report.Acknowledged, report.Problems = len(acknowledged), l.crowd.Journal.Problems()
	var err error
	if report.Verify, report.Lost, err = Verify(ctx, l.cluster, acknowledged, l.log); err != nil {
		return err
	}
	for _, defect := range report.Verify.Defects {
		if defect.Check == audit.CheckOverlap {
			report.DoubleSold++
		}
	}
	db, err := sql.Open("mysql", l.cluster.DSN(cluster.Database))
	if err != nil {
		return err
	}
	defer db.Close()
	judged, err := l.judgeRefusals(ctx, db)
	if err != nil {
		return err
	}
	report.WronglyRefused = l.crowd.Journal.Refused()
	for _, v := range judged {
		report.WronglyRefused += v.wrong
		report.UndecidedRefusals += v.undecided
	}
	if out := report.SellsOut; out != nil {
		out.WronglyRefused, out.UndecidedRefusals = judged[out.run].wrong, judged[out.run].undecided
	}
	return nil
}

// Verify makes the checks of `interlock verify`, and counts the orders that buyers were told of and that the ledger
// does not have.
func Verify(
	ctx context.Context, c *cluster.Cluster, acknowledged []load.Acknowledged, log *slog.Logger,
) (report *audit.Report, missing int, err error) {
	l, err := sqlledger.Open(ctx, sqlledger.Options{
		DSN: c.DSN(cluster.Database), Keyring: c.Keyring(), DocumentDigest: c.DocumentDigest,
	})
	if err != nil {
		return nil, 0, err
	}
	client, err := availability.Connect(availability.Options{Addrs: []string{c.Cache.Addr()}})
	if err != nil {
		return nil, 0, errors.Join(err, l.Close())
	}
	report, err = (&audit.Auditor{Ledger: l, Cache: availability.New(client), Log: log}).Verify(ctx)
	if err := errors.Join(err, client.Close(), l.Close()); err != nil {
		return nil, 0, fmt.Errorf("verify: %w", err)
	}
	db, err := sql.Open("mysql", c.DSN(cluster.Database))
	if err != nil {
		return nil, 0, err
	}
	defer db.Close()
	if missing, err = lost(ctx, db, acknowledged); err != nil {
		return nil, 0, fmt.Errorf("looking for what was acknowledged: %w", err)
	}
	return report, missing, nil
}

// lost counts the orders that a buyer was told of and that the ledger does not have, or has with another seat.
func lost(ctx context.Context, db *sql.DB, acknowledged []load.Acknowledged) (int, error) {
	missing := make(map[[12]byte]uint64, len(acknowledged))
	for _, a := range acknowledged {
		missing[a.Number] = a.Told
	}
	rows, err := db.QueryContext(ctx, "SELECT o.number, t.coach, t.seat FROM orders o JOIN tickets t ON t.run_id = "+
		"o.run_id AND t.order_id = o.id")
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var number, coach, seat sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&number, &coach, &seat); err != nil {
			return 0, err
		}
		if len(number) != len([12]byte{}) {
			continue
		}
		if told, ok := missing[[12]byte(number)]; ok && told == load.Told(coach, seat) {
			delete(missing, [12]byte(number))
		}
	}
	return len(missing), errors.Join(rows.Err(), rows.Close())
}
