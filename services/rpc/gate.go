package rpc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

// overloadedRetry is how long a caller waits that was turned away.
const overloadedRetry = time.Second

// strangersCalm is how long no stranger must have called until the next one is logged again.
const strangersCalm = time.Minute

// Gate is what calls of a service come through: it lets in who may call, and as many as there are places for.
type Gate struct {
	words    Words
	access   Access
	log      *slog.Logger
	refusals *connect.ErrorWriter
	// strangers logs when callers are refused.
	strangers *logonce.Failure
	counts    struct{ calls, failed, refused, overloaded atomic.Int64 }
}

// NewGate makes a Gate.
func NewGate(words Words, access Access, log *slog.Logger) *Gate {
	g := &Gate{
		words: words, access: access, log: log, refusals: connect.NewErrorWriter(),
		strangers: logonce.Warn("a call for "+words.Service+" came without the right secret or certificate, and was refused",
			"callers have the right secret or certificate again"),
	}
	g.strangers.Calm = strangersCalm
	return g
}

// GateStats count since the start of this process.
type GateStats struct {
	// Calls are all that were let in, Failed those of them that ended with INTERNAL or UNAVAILABLE.
	Calls, Failed int64
	// Refused had no secret or certificate that is taken. Overloaded were turned away.
	Refused, Overloaded int64
	// UnderWay are being answered now.
	UnderWay int64
}

// Stats are the counts, and how many places are taken.
func (g *Gate) Stats(all ...*Places) GateStats {
	s := GateStats{
		Calls: g.counts.calls.Load(), Failed: g.counts.failed.Load(), Refused: g.counts.refused.Load(),
		Overloaded: g.counts.overloaded.Load(),
	}
	for _, p := range all {
		s.UnderWay += p.taken.Load()
	}
	return s
}

// Serve has next answer a call that may come in, in a place and within a time. A stranger is refused before the body is
// read.
func (g *Gate) Serve(w http.ResponseWriter, r *http.Request, in *Places, within time.Duration, next http.Handler) {
	if !g.access.Allows(r.Header.Get("Authorization"), r.TLS) {
		g.counts.refused.Add(1)
		g.strangers.Note(r.Context(), g.log, errStranger)
		g.refuse(w, r, rail.Refuse(rail.Unauthenticated, "the secret or the certificate is not the right one"))
		return
	}
	g.strangers.Note(r.Context(), g.log, nil)
	if !in.take() {
		g.counts.overloaded.Add(1)
		g.refuse(w, r, &rail.Error{
			Code: rail.Overloaded, Message: "too many calls for " + g.words.Service + " at once: nothing was done",
			RetryAfter: overloadedRetry,
		})
		return
	}
	defer in.leave()
	g.counts.calls.Add(1)
	// Only a test's writer has no deadlines. Under HTTP/1.1 the end of the time to read ends the call.
	controller, end := http.NewResponseController(w), time.Now().Add(within+WayTimeout)
	_ = controller.SetReadDeadline(end)
	_ = controller.SetWriteDeadline(end)
	next.ServeHTTP(w, r)
}

var errStranger = errors.New("the secret or the certificate is not the right one")

// refuse answers in the caller's protocol.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	// Nothing is read of the body, so that the connection of an old client is of no more use.
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	// An error can only mean that the caller is gone.
	_ = g.refusals.Write(w, r, g.words.ToWire(err))
}

// Failed makes an error for the wire, and logs one whose text must stay inside.
func (g *Gate) Failed(ctx context.Context, procedure string, err error) error {
	code := rail.CodeOf(err)
	if code == rail.Internal || code == rail.Unavailable {
		g.counts.failed.Add(1)
	}
	if code == rail.Internal && ctx.Err() == nil {
		g.log.ErrorContext(ctx, "a call for "+g.words.Service+" failed", "procedure", procedure, "error", err)
	}
	return g.words.ToWire(err)
}

// Answer does one thing within a time. The caller's own deadline counts where it is shorter.
func Answer[T any](
	ctx context.Context, g *Gate, procedure string, within time.Duration, do func(context.Context) (T, error),
) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	response, err := do(ctx)
	if err != nil {
		var none T
		return none, g.Failed(ctx, procedure, err)
	}
	return response, nil
}

// Places are for calls that are answered at once.
type Places struct {
	// Limit is how many there are.
	Limit int64
	taken atomic.Int64
}

func (p *Places) take() bool {
	if p.taken.Add(1) > p.Limit {
		p.taken.Add(-1)
		return false
	}
	return true
}

func (p *Places) leave() { p.taken.Add(-1) }
