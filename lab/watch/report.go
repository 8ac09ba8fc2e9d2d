package watch

import (
	"fmt"
	"strings"
	"time"
)

// Report is the one document that `lab watch` prints.
type Report struct {
	StartedAt time.Time         `json:"started_at"`
	Command   string            `json:"command"`
	Versions  map[string]string `json:"versions,omitempty"`
	// Subscribers is how many there are, EventStreams of them over server-sent events, Sockets over WebSockets.
	Subscribers  int `json:"subscribers"`
	EventStreams int `json:"event_streams"`
	Sockets      int `json:"sockets"`
	// ConnectSeconds is how long it took until each had its first event, with few connecting at once.
	ConnectSeconds float64 `json:"connect_seconds"`
	Memory         *Memory `json:"memory,omitempty"`

	// Steady is the run being sold and every subscriber reading. Stalled is the same while one does not read.
	Steady  Phase   `json:"steady"`
	Stalled Stalled `json:"stalled"`
	// End is after the sale has ended.
	End Arrival `json:"end"`
	// Reconnect is all being cut off and coming back at once while the run is sold, ReconnectEnd after that sale.
	Reconnect    Reconnect `json:"reconnect"`
	ReconnectEnd Arrival   `json:"reconnect_end"`

	// Violations is how many events, over everything, had a version that was not above the one before. After coming
	// back, it is those with one below the last that was seen.
	Violations  int     `json:"violations"`
	Broken      int     `json:"broken"`
	Problem     string  `json:"problem,omitempty"`
	TookSeconds float64 `json:"took_seconds"`
}

const (
	// MaxArrivalMilliseconds is how soon after the end all must have the last version.
	MaxArrivalMilliseconds = 5_000
	// CutSeconds is when a stream that is not read must have been ended: the 15 s in which a reader has to take an
	// event, and as many again until nothing more fits on the way.
	CutSeconds = 30
)

// OK tells whether every promise held.
func (r *Report) OK() bool {
	return r.Violations == 0 && r.Broken == 0 && r.End.OK() && r.ReconnectEnd.OK() &&
		r.Reconnect.Back == r.Subscribers &&
		r.Steady.Orders > 0 && r.Steady.Events > 0 && r.Stalled.Came &&
		(r.Stalled.Cut || r.Stalled.Seconds < CutSeconds)
}

// Memory is what subscribers cost the server, in resident memory.
type Memory struct {
	BeforeMegabytes float64 `json:"before_mb"`
	// IdleMegabytes is with all connected and nothing sold, SellingMegabytes at the end of the sale.
	IdleMegabytes    float64 `json:"idle_mb"`
	SellingMegabytes float64 `json:"selling_mb"`
	// PerSubscriberKilobytes is what each took while nothing was sold.
	PerSubscriberKilobytes float64 `json:"per_subscriber_kb"`
}

// Phase is one stretch of the sale. Lags are from the moment a buyer has the answer to the moment a subscriber has the
// event that first shows the order, for the oldest order of each event: the others of it are younger.
type Phase struct {
	Seconds                      float64 `json:"seconds"`
	Orders                       int     `json:"orders"`
	OrdersPerSecond              float64 `json:"orders_per_second"`
	OrderP50                     float64 `json:"order_p50_ms"`
	OrderP99                     float64 `json:"order_p99_ms"`
	Events                       int     `json:"events"`
	EventsPerSecond              float64 `json:"events_per_second"`
	EventsPerSubscriberPerSecond float64 `json:"events_per_subscriber_per_second"`
	LagP50                       float64 `json:"lag_p50_ms"`
	LagP99                       float64 `json:"lag_p99_ms"`
	LagMax                       float64 `json:"lag_max_ms"`
}

// Stalled is a phase in which one more subscriber reads nothing.
type Stalled struct {
	Phase
	// RatioToSteady is the others' p99 lag against that without it.
	RatioToSteady float64 `json:"lag_p99_ratio_to_steady"`
	// Came says that the server had the stalled reader, Cut that it ended the stream, as it must once it could not
	// write for 15 s. A phase shorter than that sees none.
	Came bool `json:"came"`
	Cut  bool `json:"cut"`
}

// Arrival is the subscribers' way to the last version.
type Arrival struct {
	LastVersion int64 `json:"last_version"`
	// AfterMilliseconds is from the last buyer's answer until the last subscriber had it. Missing is how many had not
	// in time.
	AfterMilliseconds float64 `json:"after_ms"`
	Missing           int     `json:"missing"`
}

// OK tells whether all had it in time.
func (a Arrival) OK() bool { return a.LastVersion > 0 && a.Missing == 0 }

// Reconnect is all subscribers coming back.
type Reconnect struct {
	Back int `json:"back"`
	// P50 and the others are from the cut until a subscriber has its first event again.
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
	// Attempts is how many connections that took: a full queue refuses some.
	Attempts int `json:"attempts"`
	// OrderP99 is what buyers waited for meanwhile.
	Orders   int     `json:"orders"`
	OrderP99 float64 `json:"order_p99_ms"`
}

// Text is a report for people.
func Text(r *Report) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%d subscribers (%d event streams, %d WebSockets), connected in %.1f s", r.Subscribers, r.EventStreams,
		r.Sockets, r.ConnectSeconds)
	if m := r.Memory; m != nil {
		line("%-10s %.0f MB without them, %.0f MB with, %.0f MB selling: %.1f KB each", "memory", m.BeforeMegabytes,
			m.IdleMegabytes, m.SellingMegabytes, m.PerSubscriberKilobytes)
	}
	phase := func(name string, p Phase) {
		line("%-10s %5.0f orders/s %8.0f events/s   lag p50 %7.1f ms   p99 %7.1f ms   at most %7.1f ms", name,
			p.OrdersPerSecond, p.EventsPerSecond, p.LagP50, p.LagP99, p.LagMax)
	}
	phase("steady", r.Steady)
	phase("stalled", r.Stalled.Phase)
	line("%-10s one who does not read: %.2f × the others' p99, cut off: %t", "", r.Stalled.RatioToSteady, r.Stalled.Cut)
	line("%-10s all have version %d after %.0f ms, %d missing", "end", r.End.LastVersion, r.End.AfterMilliseconds,
		r.End.Missing)
	line("%-10s %d back: p50 %.0f ms, p99 %.0f ms, the last after %.0f ms; then all have version %d after %.0f ms, "+
		"%d missing", "reconnect",
		r.Reconnect.Back, r.Reconnect.P50, r.Reconnect.P99, r.Reconnect.Max, r.ReconnectEnd.LastVersion,
		r.ReconnectEnd.AfterMilliseconds, r.ReconnectEnd.Missing)
	line("%d violations, %d broken streams %s", r.Violations, r.Broken, r.Problem)
	return b.String()
}
