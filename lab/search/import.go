package search

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"interlock/lab/cluster"
	"interlock/services/availability"
	"interlock/services/ledger/sqlledger"
	"interlock/services/publish"
	"interlock/services/publish/sample"
	"interlock/services/rail"
)

const (
	// sampleZone is where the sample's trains run.
	sampleZone = "Asia/Shanghai"
	// closesBefore is the server's default.
	closesBefore = 5 * time.Minute
)

// Tomorrow is the first date on which every train of the sample can still be boarded.
func Tomorrow(now time.Time) (rail.Date, error) {
	zone, err := rail.LoadZone(sampleZone)
	if err != nil {
		return 0, err
	}
	return rail.DateIn(now, zone).AddDays(1), nil
}

// Import puts the sample timetable on sale on a cluster, as `interlock import` does.
func Import(
	ctx context.Context, c *cluster.Cluster, from rail.Date, days int, log *slog.Logger,
) (publish.ImportReport, error) {
	feed, err := sample.Feed(ctx)
	if err != nil {
		return publish.ImportReport{}, err
	}
	templates, err := sample.Templates()
	if err != nil {
		return publish.ImportReport{}, err
	}
	l, err := sqlledger.Open(ctx, sqlledger.Options{DSN: c.DSN(cluster.Database), Keyring: c.Keyring()})
	if err != nil {
		return publish.ImportReport{}, err
	}
	client, err := availability.Connect(availability.Options{Addrs: []string{c.Cache.Addr()}})
	if err != nil {
		return publish.ImportReport{}, errors.Join(err, l.Close())
	}
	publisher := publish.Publisher{
		Ledger: l, Availability: availability.New(client), Now: time.Now, ClosesBefore: closesBefore, Log: log,
	}
	report, err := publisher.Import(ctx, publish.ImportRequest{
		Feed: feed, Templates: templates, From: from, Days: days, By: "lab",
	})
	return report, errors.Join(err, client.Close(), l.Close())
}
