package sell

import (
	"context"
	"errors"
	"fmt"
	"time"

	"interlock/internal/servers"
	"interlock/lab/load"
	"interlock/lab/seats"
)

const (
	fewBuyers  = 64
	manyBuyers = 1_024
	// zipfRuns is how many runs are sold at once.
	zipfRuns = 100
	// curveWindow is the length of one point of a curve: curves are for the eye, figures have their rounds.
	curveWindow = 7 * time.Second
	// outSeats is a run that is sold out in a few seconds, and outWindow is long enough for that at a tenth of what is
	// aimed at. Some gaps of a single leg stay: few ask for one.
	outSeats  = 512
	outWindow = 10 * time.Second
	// openBuyers is how many may wait at once under an offered load.
	openBuyers = 2_048
	// seatsSeeds take five seconds; all of a season's take half a minute.
	seatsSeeds = 12
)

var (
	// curveBuyers are the points that the rounds leave out.
	curveBuyers = []int{16, 256, 2_048}
	// curveLoads are parts of what 1,024 buyers got.
	curveLoads = []float64{0.1, 0.3, 0.5, 0.7, 0.9, 1.1}
)

// step is one scenario, or with "" a group of them that chooses by itself.
type step struct {
	scenario string
	// long steps are left out of the short form.
	long bool
	run  func(ctx context.Context, report *Report) error
}

// steps are all there are, in the order in which they are taken. The rounds come before what is measured against them.
func (l *lab) steps() []step {
	return []step{
		{baselineScenario, false, func(ctx context.Context, r *Report) (err error) {
			r.Baseline, err = l.measureBaseline(ctx)
			return err
		}},
		{ceilingScenario, true, func(ctx context.Context, r *Report) (err error) {
			r.Ceiling, err = l.measureCeiling(ctx)
			return err
		}},
		{"", false, l.rounds},
		{singleBuyerScenario, true, func(ctx context.Context, r *Report) (err error) {
			r.SingleBuyer, err = l.measureSingleBuyer(ctx)
			return err
		}},
		{outScenario, false, func(ctx context.Context, r *Report) (err error) {
			r.SellsOut, err = l.sellOut(ctx)
			return err
		}},
		{seatsScenario, true, func(ctx context.Context, r *Report) (err error) {
			r.Seats, err = seats.Run(ctx, seats.Options{Seeds: seatsSeeds, Log: l.log})
			return err
		}},
		{"", true, l.curves},
		{overloadScenario, true, func(ctx context.Context, r *Report) (err error) {
			if r.Hot1024 != nil {
				r.Overload, err = l.overload(ctx, r.Hot1024.OrdersPerSecond)
			}
			return err
		}},
	}
}

// measure takes the steps that are wanted.
func (l *lab) measure(ctx context.Context, report *Report) error {
	for _, s := range l.steps() {
		if l.Short && s.long || s.scenario != "" && !l.wants(s.scenario) {
			continue
		}
		if err := s.run(ctx, report); err != nil {
			return named(s.scenario, err)
		}
	}
	return nil
}

// named says which scenario an error is of. A group has said so itself.
func named(scenario string, err error) error {
	if scenario == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", scenario, err)
}

// results are those of the scenarios that have rounds, in the order of the rounds.
type results struct{ hot64, hot1024, two, four, zipf []*load.Result }

// rounds takes the scenarios with rounds in turns.
func (l *lab) rounds(ctx context.Context, report *Report) error {
	var all results
	var last time.Duration
	for n := range l.Rounds {
		if n > 0 && !l.hasTime(last) {
			l.log.Warn("no time is left for more rounds", "done", n)
			report.Rounds = n
			break
		}
		begun := time.Now()
		l.log.Info("round", "number", n+1, "of", l.Rounds)
		if err := l.round(ctx, report, &all); err != nil {
			return err
		}
		last = time.Since(begun)
	}
	all.summarize(report)
	return nil
}

// round is one turn of each. The 1,024 buyers are what others are compared with.
func (l *lab) round(ctx context.Context, report *Report, all *results) error {
	first := []string{l.server}
	err := l.rush(ctx, hot64Scenario, &all.hot64, first, fewBuyers, load.OneRun)
	if err != nil || l.Short {
		return err
	}
	if report.Ceiling != nil {
		if err := l.ceilingBeside(ctx, report.Ceiling); err != nil {
			return named(ceilingScenario, err)
		}
	}
	if l.wants(hot1024Scenario, serversScenario, zipfScenario, overloadScenario) {
		if err := l.always(ctx, hot1024Scenario, &all.hot1024, first, manyBuyers, load.OneRun); err != nil {
			return err
		}
	}
	zipfian := func(runs *load.Runs) (*load.Targets, error) { return load.Zipf(runs, zipfRuns) }
	if err := l.rush(ctx, zipfScenario, &all.zipf, first, manyBuyers, zipfian); err != nil {
		return err
	}
	if l.wants(serversScenario) {
		return named(serversScenario, l.severalServers(ctx, &all.two, &all.four))
	}
	return nil
}

// summarize fills in the medians and what they are compared with.
func (r *results) summarize(report *Report) {
	report.Hot64, report.Hot1024 = median(r.hot64), median(r.hot1024)
	compare(report)
	if m := median(r.zipf); m != nil {
		report.Zipf100 = &Zipf{Hot: m, RatioToHot: ratio(m, report.Hot1024)}
	}
	if m := median(r.four); m != nil {
		report.FourServers = &FourServers{
			RatioToOne: ratio(m, report.Hot1024), LeastShareOver5S: m.LeastShare,
			One: report.Hot1024, Two: median(r.two), Four: m,
		}
	}
}

// compare fills in the ratios to what was measured beside.
func compare(report *Report) {
	for _, hot := range []*Hot{report.Hot64, report.Hot1024} {
		if hot == nil {
			continue
		}
		if b := report.Baseline; b != nil && b.OrdersPerSecond > 0 {
			hot.RatioToBaseline = hot.OrdersPerSecond / b.OrdersPerSecond
		}
		if m := report.Ceiling; m != nil && m.OrdersPerSecond > 0 {
			hot.RatioToCeiling = hot.OrdersPerSecond / m.OrdersPerSecond
			hot.RatioToCeilingBeside = beside(hot.Each, m.Beside)
		}
	}
}

// beside is the median of the rounds' ratios to the ceiling in the same round; 0 where that was not measured.
func beside(rounds []*load.Result, ceilings []CeilingCell) float64 {
	var ratios []float64
	for i, round := range rounds {
		if i < len(ceilings) && ceilings[i].OrdersPerSecond > 0 {
			ratios = append(ratios, round.OrdersPerSecond/ceilings[i].OrdersPerSecond)
		}
	}
	return middle(ratios)
}

func ratio(a, b *Hot) float64 {
	if a == nil || b == nil || b.OrdersPerSecond == 0 {
		return 0
	}
	return a.OrdersPerSecond / b.OrdersPerSecond
}

// severalServers sells one run through two processes, then four. The further ones run only meanwhile: an idle one looks
// after the whole timetable as well.
func (l *lab) severalServers(ctx context.Context, two, four *[]*load.Result) (err error) {
	addrs := []string{l.server}
	var more []*servers.Program
	defer func() {
		for _, server := range more {
			err = errors.Join(err, l.cluster.RemoveServer(server))
		}
	}()
	for _, step := range []struct {
		servers int
		into    *[]*load.Result
		name    string
	}{{2, two, "two_servers"}, {4, four, serversScenario}} {
		for len(addrs) < step.servers {
			server, err := l.cluster.AddServer(ctx)
			if err != nil {
				return err
			}
			more, addrs = append(more, server), append(addrs, server.Addr())
		}
		if err := l.always(ctx, step.name, step.into, addrs, manyBuyers, load.OneRun); err != nil {
			return err
		}
	}
	return nil
}

// sellOut sells one run to the last seat.
func (l *lab) sellOut(ctx context.Context) (*SellsOut, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	if err := l.publishInto(ctx, l.small, outSeats, 1); err != nil {
		return nil, err
	}
	targets, err := load.ToTheLastSeat(l.small)
	if err != nil {
		return nil, err
	}
	run := targets.First()
	l.watcher.Watch(run)
	begun := time.Now()
	result, err := load.Rush{
		Crowd: l.crowd, Targets: targets, Servers: []string{l.server}, Buyers: manyBuyers, Window: outWindow,
	}.Run(ctx)
	if err != nil {
		return nil, err
	}
	out := &SellsOut{
		run: run, Orders: result.Answers[load.Placed.String()], SoldOut: result.Answers[load.SoldOut.String()],
		Seconds: time.Since(begun).Seconds(), SoldSeatLegsRatio: float64(run.SoldSeatLegs()) / float64(run.SeatLegs()),
	}
	out.AnswersPerSecond = float64(out.Orders+out.SoldOut) / out.Seconds
	l.log.Info(outScenario, "orders", out.Orders, "sold_out", out.SoldOut, "seat_legs_ratio", out.SoldSeatLegsRatio,
		"seconds", out.Seconds)
	return out, nil
}

// curves are throughput against buyers, and latency against offered load.
func (l *lab) curves(ctx context.Context, report *Report) (err error) {
	if l.wants(buyersScenario) {
		for _, buyers := range curveBuyers {
			if report.Buyers, err = l.point(ctx, buyersScenario, report.Buyers, buyers, 0); err != nil {
				return err
			}
		}
	}
	if l.wants(offeredScenario) && report.Hot1024 != nil {
		for _, part := range curveLoads {
			offered := part * report.Hot1024.OrdersPerSecond
			if report.Offered, err = l.point(ctx, offeredScenario, report.Offered, openBuyers, offered); err != nil {
				return err
			}
		}
	}
	return nil
}

// point adds one point to a curve, if there is still time for it.
func (l *lab) point(
	ctx context.Context, scenario string, curve []*load.Result, buyers int, perSecond float64,
) ([]*load.Result, error) {
	if !l.hasTime(2 * curveWindow) {
		return curve, nil
	}
	result, err := l.sell(ctx, []string{l.server}, buyers, curveWindow, perSecond, load.OneRun)
	if err != nil {
		return nil, named(scenario, err)
	}
	l.tell(scenario, result)
	return append(curve, result), nil
}
