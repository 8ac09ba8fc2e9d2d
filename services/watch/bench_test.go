package watch_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/internal/servers/serverstest"
	"interlock/services/availability"
	"interlock/services/rail"
	"interlock/services/watch"
)

const crowd = 10_000

// BenchmarkFanOut tells 10,000 subscribers of one run of a change, and waits until each has it.
func BenchmarkFanOut(b *testing.B) {
	w := newWorld()
	hub := newHub(w)
	hub.EventsPerSecond = 0
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	id := w.publish("G1", "A", "B")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	streams := make([]<-chan *rail.Snapshot, crowd)
	for i := range streams {
		var err error
		streams[i], err = hub.SubscribeSeats(ctx, []rail.RunID{id}, "", "")
		require.NoError(b, err)
	}
	for _, events := range streams {
		<-events
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		w.say(w.sell(id))
		for _, events := range streams {
			<-events
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/crowd, "B/subscriber")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/crowd, "ns/event")
	cancel()
	running.Wait()
}

// The seats of a whole day's timetable, watched between many stations: 27 sockets of a hundred subscriptions to a
// hundred runs each come to about as many pairs.
const (
	watchedRuns  = 4_400
	pairsOfARun  = 33
	watchedPairs = watchedRuns * pairsOfARun
)

// watchADay subscribes to every pair of a day, and waits until all have their first event.
func watchADay(b *testing.B, hub *watch.Hub, publish func(number string, stations ...rail.StationCode) rail.RunID) {
	stations := []rail.StationCode{"A", "B", "C", "D", "E", "F", "G", "H", "I"}
	var ids []rail.RunID
	for i := range watchedRuns {
		ids = append(ids, publish(fmt.Sprint("G", i), stations...))
	}
	pairs := 0
	for from := range stations {
		for to := from + 1; to < len(stations) && pairs < pairsOfARun; to++ {
			pairs++
			for some := range slices.Chunk(ids, watch.MaxRuns) {
				events, err := hub.SubscribeSeats(b.Context(), some, stations[from], stations[to])
				require.NoError(b, err)
				b.Cleanup(func() {
					for range events { // until the hub ends it
					}
				})
				for range some {
					<-events
				}
			}
		}
	}
	require.Equal(b, pairsOfARun, pairs)
}

// secondsOfLooking lets the hub look again for some seconds while nothing changes, and tells what each cost the
// process.
func secondsOfLooking(b *testing.B) {
	runtime.GC()
	before := cpuTime(b)
	start := time.Now()
	for b.Loop() {
		<-time.After(time.Second)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1000/time.Since(start).Seconds(), "cpu-ms/s")
	b.ReportMetric(watchedPairs, "pairs")
}

// cpuTime is the time of the processors that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkLookingAgain is what it costs that nothing changes on all that is watched: with an availability that costs
// nothing, and with a Redis (whose own time is not counted).
func BenchmarkLookingAgain(b *testing.B) {
	b.Run("hub", func(b *testing.B) {
		w := newWorld()
		running := startHub(b, newHub(w))
		watchADay(b, running, w.publish)
		secondsOfLooking(b)
	})
	b.Run("redis", func(b *testing.B) {
		client, err := availability.Connect(availability.Options{Addrs: []string{serverstest.NewRedis(b).Addr()}})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, client.Close()) })
		cache, w := availability.New(client), newWorld()
		hub := watch.New(cache, w, w)
		watchADay(b, startHub(b, hub), func(number string, stations ...rail.StationCode) rail.RunID {
			id := w.publish(number, stations...)
			train := w.runs[id].Train
			require.NoError(b, cache.Apply(b.Context(), &rail.Availability{
				RunID: id, TrainID: train.ID, Version: 1, Status: rail.Published,
				Counts: make([]uint16, rail.Pairs(len(train.Calls))),
			}))
			return id
		})
		secondsOfLooking(b)
	})
}

// startHub has a hub at work until the benchmark ends.
func startHub(b *testing.B, hub *watch.Hub) *watch.Hub {
	hub.EventsPerSecond = 0
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return hub
}
