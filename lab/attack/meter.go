package attack

import (
	"context"
	"sync"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
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

// end looks a last time; the figures may be read from then on.
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
