package load

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a rush came to. An order counts when it is the first answer to its key and comes within the window.
// Latencies are of the orders that count. Under an offered load they are of all questions that were due within the
// window and not refused.
type Result struct {
	Buyers           int     `json:"buyers"`
	Servers          int     `json:"servers"`
	Seconds          float64 `json:"seconds"`
	OfferedPerSecond float64 `json:"offered_per_second,omitempty"`
	Orders           int     `json:"orders"`
	OrdersPerSecond  float64 `json:"orders_per_second"`
	// Unserved came, under an offered load, and had waited in vain when they were given up. The latencies have them
	// with the time until then.
	Unserved         int            `json:"unserved,omitempty"`
	P50Milliseconds  float64        `json:"p50_ms"`
	P90Milliseconds  float64        `json:"p90_ms"`
	P99Milliseconds  float64        `json:"p99_ms"`
	P999Milliseconds float64        `json:"p999_ms"`
	MaxMilliseconds  float64        `json:"max_ms"`
	Answers          map[string]int `json:"answers"`
	// LeastShare is, of several servers and over every five seconds, the smallest part of its even share that one got.
	LeastShare float64 `json:"least_share_over_5_s,omitempty"`
	// OrdersPerServer is how many of the orders each of several servers sold.
	OrdersPerServer []int `json:"orders_per_server,omitempty"`

	latencies  []uint32
	overloaded *hdrhistogram.Histogram
}

// Latencies are of all orders of a lone buyer that count, uncorrected.
func (r *Result) Latencies() []time.Duration {
	all := make([]time.Duration, len(r.latencies))
	for i, l := range r.latencies {
		all[i] = time.Duration(l) * time.Microsecond
	}
	return all
}

// Overloaded is how many questions within the window were answered OVERLOADED, and how long the answers took, from the
// question on.
func (r *Result) Overloaded() (answers int, p50, p99 time.Duration) {
	of := func(quantile float64) time.Duration {
		return time.Duration(r.overloaded.ValueAtQuantile(quantile)) * time.Microsecond
	}
	return int(r.overloaded.TotalCount()), of(50), of(99)
}

const (
	// maxLatency bounds what the histogram tells apart: nothing is waited for longer.
	maxLatency = time.Minute
	// digits is three: a thousandth is less than two runs differ by.
	digits = 3
	// shareSeconds is the stretch over which no server may be starved.
	shareSeconds = 5
)

func newResult(r Rush, buyers []*buyer, w window) *Result {
	result := &Result{
		Buyers: r.Buyers, Servers: len(r.Servers), Seconds: w.seconds(), OfferedPerSecond: r.PerSecond,
		Answers: map[string]int{},
	}
	answered := 0
	for _, b := range buyers {
		answered += b.answered
		result.Unserved += b.unserved
		for o, n := range b.counts {
			if n > 0 {
				result.Answers[Outcome(o).String()] += n
			}
		}
	}
	if len(buyers) == 1 {
		result.latencies = buyers[0].latencies
	}
	result.share(buyers, w)
	result.OrdersPerSecond = float64(result.Orders) / w.seconds()
	interval := int64(0) // an open loop counts from when the buyer wanted to ask: nothing is left out
	if r.PerSecond == 0 && answered > 0 {
		interval = int64(w.seconds() * 1e6 * float64(r.Buyers) / float64(answered))
	}
	result.percentiles(buyers, interval)
	return result
}

// share fills in how many orders there are, and what each server got of them.
func (r *Result) share(buyers []*buyer, w window) {
	perServer := make([][]int, r.Servers)
	for i := range perServer {
		perServer[i] = make([]int, int(w.seconds())+1)
	}
	sold := make([]int, r.Servers)
	for _, b := range buyers {
		server := b.number % r.Servers
		for second, n := range b.inWindow {
			perServer[server][second] += int(n)
			sold[server] += int(n)
			r.Orders += int(n)
		}
	}
	r.LeastShare = leastShare(perServer)
	if r.Servers > 1 {
		r.OrdersPerServer = sold
	}
}

// percentiles fills in the latencies, and those of the answers OVERLOADED. interval is that of waits.
func (r *Result) percentiles(buyers []*buyer, interval int64) {
	all := waits(buyers, interval)
	milliseconds := func(quantile float64) float64 {
		return math.Round(float64(all.ValueAtQuantile(quantile))/10) / 100
	}
	r.P50Milliseconds, r.P90Milliseconds = milliseconds(50), milliseconds(90)
	r.P99Milliseconds, r.P999Milliseconds = milliseconds(99), milliseconds(99.9)
	r.MaxMilliseconds = milliseconds(100)
	r.overloaded = newHistogram()
	for _, b := range buyers {
		for _, l := range b.overloaded {
			record(r.overloaded, l, 0)
		}
	}
}

// waits are the latencies of all buyers, and the waits that a closed loop leaves out, as HdrHistogram corrects them. A
// buyer that waits for long does not ask meanwhile. Others would have asked once an interval, and each would have
// waited for the rest. interval is in microseconds: how often a buyer asks on average, whatever the answer. With 0
// nothing is added.
func waits(buyers []*buyer, interval int64) *hdrhistogram.Histogram {
	all := newHistogram()
	for _, b := range buyers {
		for _, l := range b.latencies {
			record(all, l, interval)
		}
	}
	return all
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, maxLatency.Microseconds(), digits)
}

func record(h *hdrhistogram.Histogram, microseconds uint32, interval int64) {
	// in range, so it cannot fail
	_ = h.RecordCorrectedValue(min(int64(microseconds), maxLatency.Microseconds()), interval)
}

func leastShare(perServer [][]int) float64 {
	if len(perServer) < 2 {
		return 0
	}
	least := math.Inf(1)
	for from := 0; from+shareSeconds < len(perServer[0]); from++ {
		all, fewest := 0, math.MaxInt
		for _, seconds := range perServer {
			sum := 0
			for _, n := range seconds[from : from+shareSeconds] {
				sum += n
			}
			all, fewest = all+sum, min(fewest, sum)
		}
		if all > 0 {
			least = min(least, float64(fewest)*float64(len(perServer))/float64(all))
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}
