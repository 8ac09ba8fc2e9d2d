package pay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/cluster"
	"interlock/lab/load"
	"interlock/services/bank"
	"interlock/services/identity"
)

// Options say where is paid, and how much.
type Options struct {
	// Server is the address of one. Pids are its process and that of the service of payments.
	Server string
	Pids   []int
	// Tokens signs what the server takes.
	Tokens *identity.Development
	// Bank is what is paid through.
	Bank *cluster.Payments
	// Window is how long each half of a round is, Rounds how many there are.
	Window time.Duration
	Rounds int
	// Buyers is how many buy at once to find out what the server can sell.
	Buyers int
	// Share is the part of what the server can sell that is sold.
	Share float64
	// PerSecond is how many payments are begun in a second, Think how long the bank takes to open each.
	PerSecond float64
	Think     time.Duration
	// Train begins the numbers of the trains that are sold; the server must not have any of them. SeatsPerClass and
	// Dates are how much of each.
	Train         string
	SeatsPerClass int
	Dates         int
	// Command is how this was called, Versions what runs, for the report.
	Command  string
	Versions map[string]string
	Log      *slog.Logger
}

const (
	// warmUp is until connections are open, and as many payments are under way as will be.
	warmUp = 3 * time.Second
	// atOnce is how many orders may wait at a time.
	atOnce = 1_024
	// atPage is after how long the bank has a buyer pay once the page is open.
	atPage = 100 * time.Millisecond
)

// lab is one run of it.
type lab struct {
	Options
	crowd  *load.Crowd
	runs   *load.Runs
	report *Report
	trains int
}

// Run measures.
func Run(ctx context.Context, o Options) (*Report, error) {
	begun := time.Now()
	l := &lab{Options: o, runs: &load.Runs{}, crowd: &load.Crowd{
		Journal: &load.Journal{}, Seed: rand.Uint64(), Accounts: &load.Accounts{Token: load.PassengerTokens(o.Tokens)},
	}}
	l.report = &Report{
		StartedAt: begun.UTC(), Command: o.Command, Versions: o.Versions, Seed: l.crowd.Seed, Rounds: o.Rounds,
		Seconds: o.Window.Seconds(), Share: o.Share, PaymentsPerSecond: o.PerSecond, BankSeconds: o.Think.Seconds(),
	}
	err := o.Bank.Behave(ctx, bank.Behaviour{
		AuthoriseDelayMS: int(o.Think.Milliseconds()), AutoPayMS: int(atPage.Milliseconds()),
	})
	if err != nil {
		return nil, err
	}
	most, err := l.sell(ctx, o.Buyers, 0, nil)
	if err != nil {
		return nil, err
	}
	l.report.CarriesPerSecond = most.OrdersPerSecond
	o.Log.Info("the server can sell", "orders_per_second", int(most.OrdersPerSecond))
	for n := range o.Rounds {
		if err := l.round(ctx, n); err != nil {
			return nil, err
		}
	}
	l.report.sum()
	l.report.TookSeconds = time.Since(begun).Seconds()
	return l.report, nil
}

// round measures once without payments and once with them.
func (l *lab) round(ctx context.Context, n int) error {
	var results [2]*load.Result
	var spent [2]time.Duration
	people := [2]*payers{newPayers(l, false), newPayers(l, true)}
	for i, p := range people {
		before := l.processor()
		result, err := l.sell(ctx, atOnce, l.Share*l.report.CarriesPerSecond, p)
		if err != nil {
			return err
		}
		results[i], spent[i] = result, l.processor()-before
	}
	paid := people[1]
	hooks, err := l.hooks(ctx)
	if err != nil {
		return err
	}
	mails, late, err := paid.mails(ctx)
	if err != nil {
		return err
	}
	round := newRound(results, spent, paid, hooks)
	round.PaidToMailP50, round.PaidToMailP99, round.Unmailed = quantile(mails, 0.5), quantile(mails, 0.99), late
	l.report.Round = append(l.report.Round, round)
	l.Log.Info("round", "n", n+1, "order_p99_ms_without", round.WithoutP99, "order_p99_ms_with", round.WithP99,
		"under_way", round.UnderWay, "paid", round.Paid, "failed", round.Failed, "problem", round.Problem)
	return nil
}

// processor is how long the server and the service of payments have run on processors.
func (l *lab) processor() (total time.Duration) {
	for _, pid := range l.Pids {
		total += servers.ProcessorTime(pid)
	}
	return total
}

// sell sells for a window: as fast as it goes, or so many orders a second, and has others pay beside that.
func (l *lab) sell(ctx context.Context, buyers int, perSecond float64, beside *payers) (*load.Result, error) {
	if err := l.publish(ctx); err != nil {
		return nil, err
	}
	targets, err := load.OneRun(l.runs)
	if err != nil {
		return nil, err
	}
	rush := load.Rush{
		Crowd: l.crowd, Targets: targets, Servers: []string{l.Server}, Buyers: buyers, WarmUp: warmUp, Window: l.Window,
		PerSecond: perSecond,
	}
	if beside == nil {
		return rush.Run(ctx)
	}
	paying, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		beside.run(paying, targets)
	}()
	result, err := rush.Run(ctx)
	stop()
	<-done
	return result, errors.Join(err, ctx.Err())
}

// fewRuns is when more are published.
const fewRuns = 20

func (l *lab) publish(ctx context.Context) error {
	if l.runs.Left() >= min(fewRuns, l.Dates) {
		return nil
	}
	admin, err := load.AdminToken(l.Tokens)
	if err != nil {
		return err
	}
	l.trains++
	runs, err := load.Publish(ctx, l.Server, admin, fmt.Sprintf("%s%d", l.Train, l.trains), l.SeatsPerClass, l.Dates)
	if err != nil {
		return err
	}
	l.runs.Add(runs)
	if err := load.AwaitRun(ctx, l.Server, runs[len(runs)-1].ID); err != nil {
		return err
	}
	pause.For(ctx, time.Second) // what a publication leaves for replicas would be in the way
	return ctx.Err()
}

// hooks are when the bank first told of each page's payment.
func (l *lab) hooks(ctx context.Context) (map[string]time.Time, error) {
	charges, err := l.Bank.Charges(ctx)
	if err != nil {
		return nil, err
	}
	first := map[string]time.Time{}
	for _, hook := range l.Bank.Webhooks.All() {
		if at, known := first[hook.PaymentID]; hook.PaymentID != "" && (!known || hook.At.Before(at)) {
			first[hook.PaymentID] = hook.At
		}
	}
	bySession := map[string]time.Time{}
	for _, c := range charges {
		if at, told := first[c.PaymentID]; told {
			bySession[c.Session] = at
		}
	}
	return bySession, nil
}
