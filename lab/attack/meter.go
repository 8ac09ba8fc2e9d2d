package attack

import (
	"context"
	"strings"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
	"interlock/lab/load"
)

const (
	// meterInterval is short beside the second in which a server can take a gigabyte.
	meterInterval = 50 * time.Millisecond
	// fatalMegabytes is when a server is ended: it has failed long ago, and the machine's memory is not the lab's
	// alone.
	fatalMegabytes = 2_048
	megabyte       = 1 << 20
)

// meter watches a server's memory.
type meter struct {
	server *servers.Program
	stop   context.CancelFunc
	done   sync.WaitGroup
	peak   float64
	killed bool
}

// startMeter begins to look.
func startMeter(server *servers.Program) *meter {
	ctx, cancel := context.WithCancel(context.Background())
	m := &meter{server: server, stop: cancel}
	m.done.Go(func() {
		for pause.For(ctx, meterInterval) {
			m.look()
		}
	})
	return m
}

func (m *meter) look() {
	now := residentMegabytes(m.server)
	m.peak = max(m.peak, now)
	if now > fatalMegabytes && !m.killed {
		m.killed = m.server.Kill() == nil
	}
}

// end looks a last time. The figures may be read from then on.
func (m *meter) end() {
	m.stop()
	m.done.Wait()
	m.look()
}

func residentMegabytes(server *servers.Program) float64 {
	return servers.ResidentBytes(server.Pid()) / megabyte
}

// processors measures how much of all processors a process took.
type processors struct {
	pid   int
	spent time.Duration
	since time.Time
}

func measureProcessors(pid int) processors {
	return processors{pid: pid, spent: servers.ProcessorTime(pid), since: time.Now()}
}

// share is of one: 1 where the process has had every processor all the time.
func (p processors) share(count int) float64 {
	took := time.Since(p.since) * time.Duration(count)
	return max(0, float64(servers.ProcessorTime(p.pid)-p.spent)/float64(took))
}

// metric is one figure of the attacked server, with or without labels; 0 where the server does not tell.
func (l *lab) metric(ctx context.Context, name string) float64 {
	return l.metrics(ctx, func(figure string) bool { return figure == name })
}

// answered is how many requests of other clients than buyers the attacked server has answered: all that are not
// GraphQL, and its queries. Attackers that send many at once on one connection have asked as often as they were
// answered.
func (l *lab) answered(ctx context.Context) float64 {
	return l.metrics(ctx, isAnswer)
}

func isAnswer(figure string) bool {
	return strings.HasPrefix(figure, "interlock_http_requests_total{") &&
		!strings.Contains(figure, `route="graphql"`) ||
		strings.HasPrefix(figure, "interlock_graphql_operation_seconds_count{") &&
			strings.Contains(figure, `type="query"`)
}

// metrics is the sum of some figures; 0 where the server does not tell.
func (l *lab) metrics(ctx context.Context, wanted func(figure string) bool) float64 {
	figures, err := load.Metrics(context.WithoutCancel(ctx), l.server.Addr())
	if err != nil {
		return 0
	}
	return sumOf(figures, wanted)
}

// sumOf is the sum of some figures.
func sumOf(figures map[string]float64, wanted func(figure string) bool) (sum float64) {
	for figure, n := range figures {
		if wanted(figure) {
			sum += n
		}
	}
	return sum
}
