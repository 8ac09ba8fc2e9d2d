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

// measure goes through the scenarios.
func (l *lab) measure(ctx context.Context, report *Report) (err error) {
	if l.wants(baselineScenario) {
		if report.Baseline, err = l.measureBaseline(ctx); err != nil {
			return fmt.Errorf("%s: %w", baselineScenario, err)
		}
	}
	if l.wants(ceilingScenario) && !l.Short {
		if report.Ceiling, err = l.measureCeiling(ctx); err != nil {
			return fmt.Errorf("%s: %w", ceilingScenario, err)
		}
	}
	if err := l.rounds(ctx, report); err != nil {
		return err
	}
	if l.wants(singleBuyerScenario) && !l.Short {
		if report.SingleBuyer, err = l.measureSingleBuyer(ctx); err != nil {
			return fmt.Errorf("%s: %w", singleBuyerScenario, err)
		}
	}
	if l.wants(outScenario) {
		if report.SellsOut, err = l.sellOut(ctx); err != nil {
			return fmt.Errorf("%s: %w", outScenario, err)
		}
	}
	if l.Short {
		return nil
	}
	if l.wants(seatsScenario) {
		if report.Seats, err = seats.Run(ctx, seats.Options{Seeds: seatsSeeds, Log: l.log}); err != nil {
			return fmt.Errorf("%s: %w", seatsScenario, err)
		}
	}
	if err := l.curves(ctx, report); err != nil {
		return err
	}
	if l.wants(overloadScenario) && report.Hot1024 != nil {
		if report.Overload, err = l.overload(ctx, report.Hot1024.OrdersPerSecond); err != nil {
			return fmt.Errorf("%s: %w", overloadScenario, err)
		}
	}
	return nil
}

// rounds takes the scenarios with rounds in turns.
func (l *lab) rounds(ctx context.Context, report *Report) error {
	var hot64, hot1024, two, four, zipf []*load.Result
	first := []string{l.server}
	zipfian := func(runs *load.Runs) (*load.Targets, error) { return load.Zipf(runs, zipfRuns) }
	var last time.Duration
	for round := range l.Rounds {
		if round > 0 && !l.hasTime(last) {
			l.log.Warn("no time is left for more rounds", "done", round)
			report.Rounds = round
			break
		}
		begun := time.Now()
		l.log.Info("round", "number", round+1, "of", l.Rounds)
		if err := l.rush(ctx, hot64Scenario, &hot64, first, fewBuyers, load.OneRun); err != nil {
			return err
		}
		if l.Short {
			continue
		}
		if report.Ceiling != nil {
			if err := l.ceilingBeside(ctx, report.Ceiling); err != nil {
				return fmt.Errorf("%s: %w", ceilingScenario, err)
			}
		}
		if l.wants(hot1024Scenario) || l.wants(serversScenario) || l.wants(zipfScenario) || l.wants(overloadScenario) {
			if err := l.always(ctx, hot1024Scenario, &hot1024, first, manyBuyers, load.OneRun); err != nil {
				return err
			}
		}
		if err := l.rush(ctx, zipfScenario, &zipf, first, manyBuyers, zipfian); err != nil {
			return err
		}
		if l.wants(serversScenario) {
			if err := l.severalServers(ctx, &two, &four); err != nil {
				return fmt.Errorf("%s: %w", serversScenario, err)
			}
		}
		last = time.Since(begun)
	}
	report.Hot64, report.Hot1024 = median(hot64), median(hot1024)
	compare(report)
	if m := median(zipf); m != nil {
		report.Zipf100 = &Zipf{Hot: m, RatioToHot: ratio(m, report.Hot1024)}
	}
	if m := median(four); m != nil {
		report.FourServers = &FourServers{
			RatioToOne: ratio(m, report.Hot1024), One: report.Hot1024, Two: median(two), Four: m,
			LeastShareOver5S: m.LeastShare,
		}
	}
	return nil
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

// beside is the median of what rounds came to against the ceiling in the same round; 0 where that was not measured.
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
func (l *lab) curves(ctx context.Context, report *Report) error {
	if l.wants(buyersScenario) {
		for _, buyers := range curveBuyers {
			if !l.hasTime(2 * curveWindow) {
				break
			}
			result, err := l.sell(ctx, []string{l.server}, buyers, curveWindow, 0, load.OneRun)
			if err != nil {
				return fmt.Errorf("%s: %w", buyersScenario, err)
			}
			l.tell(buyersScenario, result)
			report.Buyers = append(report.Buyers, result)
		}
	}
	if l.wants(offeredScenario) && report.Hot1024 != nil {
		for _, part := range curveLoads {
			if !l.hasTime(2 * curveWindow) {
				break
			}
			result, err := l.sell(ctx, []string{l.server}, openBuyers, curveWindow, part*report.Hot1024.OrdersPerSecond,
				load.OneRun)
			if err != nil {
				return fmt.Errorf("%s: %w", offeredScenario, err)
			}
			l.tell(offeredScenario, result)
			report.Offered = append(report.Offered, result)
		}
	}
	return nil
}
