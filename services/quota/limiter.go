package quota

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"interlock/internal/logonce"
	"interlock/services/rail"
)

// storeTimeout bounds a question to the store: a healthy one answers in a millisecond, and a buyer waits for it.
const storeTimeout = 250 * time.Millisecond

// Options make a Limiter.
type Options struct {
	Policy Policy
	// Store is shared by all servers; nil: this is the only one.
	Store Store
	// Digest names a client or a document by what does not tell who it is. The same text has the same name on all
	// servers.
	Digest func(text string) string
	Log    *slog.Logger
	// Now is the time for what is counted here; nil: time.Now.
	Now func() time.Time
}

// Limiter takes what operations cost from the buckets of those who ask. It may be used by many goroutines.
type Limiter struct {
	options Options
	asker   asker
	leases  leases
	// backstop counts here while the store is away.
	backstop *meters
	away     *logonce.Failure
	counts   counts
}

// New makes a Limiter.
func New(o Options) *Limiter {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limiter{
		options: o, asker: asker{store: o.Store}, backstop: newMeters(),
		away: logonce.Warn("quotas are counted by this server alone: their store is away", "quotas are shared again"),
	}
	l.leases = leases{all: map[string]*lease{}, limiter: l}
	return l
}

// Client is who asks.
type Client struct {
	// Account is the subject of a token, "" for none. Address is the network that the request comes from.
	Account string
	Address netip.Prefix
}

// Asked is what one request asks for.
type Asked struct {
	Client Client
	// Count is how many operations there are of each kind.
	Count map[Kind]int
	// Documents are the numbers of the documents that are bought for.
	Documents []string
}

// Standing is how a client stands after a request: see the draft of the header RateLimit.
type Standing struct {
	// Name is "" where nothing bounds the request.
	Name string
	Rate Rate
	// Left is how many may follow at once, and Reset after how long one more may.
	Left  int
	Reset time.Duration
}

// Take takes what a request costs, all of it or nothing. RATE_LIMITED: the client, or a document, has asked too often.
// OVERLOADED: the railway sells no more in this second. Nothing else comes of either; both say when to ask again.
func (l *Limiter) Take(ctx context.Context, a Asked) (Standing, error) {
	standing, demand, refusals := Standing{}, Demand{}, []func(time.Duration) error(nil)
	for _, kind := range Kinds {
		n := a.Count[kind]
		rate, name := l.rate(&a.Client, kind)
		if n == 0 || rate.Unbounded() {
			continue
		}
		tooOften := func(wait time.Duration) error {
			l.counts.refuse(string(kind))
			return refusal(rail.RateLimited, wait, "too often: %s are %d in a row, and then one each %s", kind, rate.Burst,
				rate.Every)
		}
		standing = Standing{Name: string(kind), Rate: rate}
		if !kind.shared() {
			ok, left, wait := l.leases.take(name, rate, n)
			if !ok {
				standing.Reset = wait
				return standing, tooOften(wait)
			}
			standing.Left = left
			continue
		}
		demand.Buckets, refusals = append(demand.Buckets, Bucket{name, rate, n}), append(refusals, tooOften)
	}
	if a.Count[Buying] > 0 {
		l.buying(&a, &demand, &refusals)
	}
	if len(demand.Buckets) == 0 {
		return standing, nil
	}
	grant := l.ask(ctx, demand)
	standing.Left, standing.Reset = grant.Left, grant.Wait
	if grant.Refused >= 0 {
		return standing, refusals[grant.Refused](grant.Wait)
	}
	return standing, nil
}

// buying adds the buckets of documents and of the whole sale.
func (l *Limiter) buying(a *Asked, demand *Demand, refusals *[]func(time.Duration) error) {
	p := &l.options.Policy
	add := func(b Bucket, refuse func(time.Duration) error) {
		if !b.Rate.Unbounded() && len(demand.Buckets) < MaxBuckets {
			demand.Buckets, *refusals = append(demand.Buckets, b), append(*refusals, refuse)
		}
	}
	add(Bucket{selling, p.Selling, a.Count[Buying]}, func(wait time.Duration) error {
		l.counts.refuse(selling)
		return refusal(rail.Overloaded, wait,
			"more is asked for than is sold in a second: nothing was done with this request")
	})
	numbers := slices.Clone(a.Documents)
	slices.Sort(numbers)
	for _, number := range slices.Compact(numbers) {
		add(Bucket{"d:" + l.options.Digest("document "+number), p.Document, 1}, func(wait time.Duration) error {
			l.counts.refuse(document)
			return refusal(rail.RateLimited, wait, "too often: for one document, %d orders in a row, and then one each %s",
				p.Document.Burst, p.Document.Every)
		})
	}
}

// rate is a client's rate for a kind, and the name of its bucket.
func (l *Limiter) rate(c *Client, kind Kind) (Rate, string) {
	if c.Account != "" {
		return l.options.Policy.Account[kind], string(kind) + ":a:" + l.options.Digest("account "+c.Account)
	}
	return l.options.Policy.Address[kind], string(kind) + ":i:" + l.options.Digest("address "+c.Address.String())
}

// refusal says no for a while.
func refusal(code rail.Code, wait time.Duration, format string, args ...any) error {
	const least = 100 * time.Millisecond
	wait = max(wait, least)
	return &rail.Error{
		Code: code, Message: fmt.Sprintf(format, args...), RetryAfter: wait,
	}
}

// ask asks the store, or counts here while there is none.
func (l *Limiter) ask(ctx context.Context, d Demand) Grant {
	if l.options.Store == nil {
		return l.backstop.take(d, l.options.Now())
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	grant, err := l.asker.ask(ctx, d)
	l.away.Note(ctx, l.options.Log, err)
	if err != nil {
		l.counts.alone.Add(1)
		return l.backstop.take(d, l.options.Now())
	}
	return grant
}
