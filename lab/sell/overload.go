package sell

import (
	"context"
	"sync"
	"time"

	"interlock/internal/servers"
	"interlock/lab/load"
)

const (
	// overloadTimes is the offered load, as a multiple of what 1,024 buyers got.
	overloadTimes = 2
	// overloadBuyers is how many may wait at once. A server has at most 8,192 waiting for one run, and two batches of
	// 1,024 on their way. The rest are told OVERLOADED.
	overloadBuyers = 12_288
	// overloadWarmUp is until the queue is full, and the server's heap as large as it gets: garbage is collected at
	// three times what is in use.
	overloadWarmUp = 20 * time.Second
	overloadWindow = 20 * time.Second
	megabyte       = 1 << 20
)

// overload offers one run far more than can be sold, and looks at the server's answers and memory. Whenever the load
// moves on to a fresh run, the old run's queue is served first, and no buyer is refused until the new one's is full.
func (l *lab) overload(ctx context.Context, carries float64) (*Overload, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	targets, err := load.OneRun(l.runs)
	if err != nil {
		return nil, err
	}
	l.watcher.Watch(targets.First())
	targets.Moved = l.watcher.Watch
	pid := l.cluster.Servers()[0].Pid()
	memory := func() float64 { return servers.ResidentBytes(pid) / megabyte }
	over := &Overload{MemoryBeforeMegabytes: memory()}
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	begun := time.Now()
	for at, into := range map[time.Duration]*float64{
		overloadWarmUp:                    &over.MemoryStartMegabytes,
		overloadWarmUp + overloadWindow/2: &over.MemoryMiddleMegabytes,
		overloadWarmUp + overloadWindow:   &over.MemoryEndMegabytes,
	} {
		looking.Go(func() {
			select {
			case <-time.After(time.Until(begun.Add(at))):
				*into = memory()
			case <-ctx.Done():
			}
		})
	}
	over.Result, err = load.Rush{
		Crowd: l.crowd, Targets: targets, Servers: []string{l.server}, Buyers: overloadBuyers,
		WarmUp: overloadWarmUp, Window: overloadWindow, PerSecond: overloadTimes * carries,
	}.Run(ctx)
	cancel()
	looking.Wait()
	if err != nil {
		return nil, err
	}
	answers, p50, p99 := over.Overloaded()
	over.OverloadedAnswers, over.OverloadedP50Milliseconds, over.OverloadedP99Milliseconds = answers, p50.Seconds()*1e3,
		p99.Seconds()*1e3
	l.tell(overloadScenario, over.Result)
	l.log.Info(overloadScenario, "overloaded", answers, "p50_ms", over.OverloadedP50Milliseconds, "p99_ms",
		over.OverloadedP99Milliseconds,
		"memory_mb", []float64{
			over.MemoryBeforeMegabytes, over.MemoryStartMegabytes, over.MemoryMiddleMegabytes, over.MemoryEndMegabytes,
		})
	return over, nil
}
