package gateway

import "time"

// The limits of a gateway, each a default that Options may change.
const (
	// DefaultMaxBodyBytes is twice what publishing a train with 256 calls and 20 coaches takes.
	DefaultMaxBodyBytes = 256 << 10
	// DefaultDepthLimit is a few levels more than the deepest sensible query has: viewer, orders, edges, node, tickets,
	// order, run, availability, classes, price, amount are 11.
	DefaultDepthLimit = 15
	// DefaultComplexityLimit admits a hundred offers with every scalar of their runs, calls (30 of them, with stations)
	// and classes, about 50,000, twice.
	DefaultComplexityLimit = 100_000
	// DefaultResponseLimit is as many values as the cost admits at usual lengths: some 5 MB of a response, and 100 MB
	// while it is made.
	DefaultResponseLimit = 100_000
	// DefaultTokenLimit is more than the largest mutation written without variables, and keeps parsing under 5 ms.
	DefaultTokenLimit = 10_000
	// DefaultOperationTimeout is longer than any honest response takes. A client that still waits has given up.
	DefaultOperationTimeout = 10 * time.Second
	// DefaultMaxInFlight is twice the rush of ten thousand buyers. An operation that waits costs some 20 KiB.
	DefaultMaxInFlight = 20_000
	// DefaultMaxReading fits two processors.
	DefaultMaxReading = 2
	// DefaultMaxStreams bounds WebSockets and event streams together, at about 40 KiB each: 2 GB.
	DefaultMaxStreams = 50_000
	// DefaultMaxStreamsPerViewer is a tab or an app on each of a few devices, several times over.
	DefaultMaxStreamsPerViewer = 20
	// DefaultMaxStreamsPerAddress is for streams without a token. Phones behind a carrier share an address. A stream
	// with a token does not count there.
	DefaultMaxStreamsPerAddress = 200
	// DefaultMaxOperationsPerSocket is what one WebSocket may have running: a phone shows a few screens, a board in a
	// station a few dozen trains.
	DefaultMaxOperationsPerSocket = 100
)

// The limits that Options do not change.
const (
	// maxSelections bounds the selections of one document. To compare its fields takes time by the square of that: 500
	// take 15 ms, 4,000 take a second. Introspection has about 100.
	maxSelections = 500
	// maxRepeats bounds how often one response key is selected at one place. A few fragments may share a key; more is
	// an attempt at the square above.
	maxRepeats = 16
	// maxExpanded bounds the selections with every fragment in place: 20 fragments that each name the next one twice
	// are a million.
	maxExpanded = 5_000
	// maxSchemas bounds how often a document asks for the whole schema: tools ask once, and it is a few thousand
	// values.
	maxSchemas = 1
	// maxErrors bounds the errors of one response.
	maxErrors = 20
	// maxMessageBytes bounds the message of an error. A message may quote what the client has sent.
	maxMessageBytes = 1_000
	// cachedDocuments and cachedDocumentBytes bound the cache of parsed documents. A parsed document takes some 30
	// times its text, so that all of them stay under 64 MB. A front end has a few dozen documents of about a kilobyte.
	cachedDocuments     = 500
	cachedDocumentBytes = 4 << 10
	// compressedBytes is the least that is compressed. A shorter answer, as each purchase has, goes in one packet as it
	// is.
	compressedBytes = 1 << 10
	// compressionWindow is how far back zstd looks. It bounds the memory of an encoder here and of a decoder there;
	// browsers take up to 8 MiB (RFC 9659).
	compressionWindow = 512 << 10
	// bodyTimeout is how long a client may take to send a whole body. A client that drips holds a connection no longer.
	bodyTimeout = 15 * time.Second
	// writeTimeout is how long a client may take to read a response, or one event of a stream. A client that takes
	// longer is gone, or makes the server keep what it does not read.
	writeTimeout = 15 * time.Second
	// fileTimeout is how long a client may take to read a page or one of its scripts. The largest takes so long over a
	// slow phone's 200 kbit/s.
	fileTimeout = time.Minute
	// initTimeout is for the first message on a WebSocket.
	initTimeout = 10 * time.Second
	// keepAlive is how often an idle stream shows a sign of life: proxies commonly cut after 60 s, some after 30 s.
	keepAlive = 20 * time.Second
	// checkTimeout bounds one readiness check: probes commonly wait for 3 s or more.
	checkTimeout = 2 * time.Second
	// preflightAge is how long a browser may remember what it may ask; Chromium remembers no longer than 2 h.
	preflightAge = 2 * time.Hour
	// maxRequestHeaders and maxHeaderNameBytes bound the names of a preflight. A page with two tracers asks for a dozen.
	maxRequestHeaders  = 64
	maxHeaderNameBytes = 128
	// overloadedAfter is how long the last operation had waited for the limiter when new requests are refused. A crowd
	// that comes in one moment is in the queue by then. The rest is refused at once, and not after a second.
	overloadedAfter = 250 * time.Millisecond
	// maxLimiterWait bounds the wait for the limiter. After a longer wait, little would be left of the client's own
	// timeout.
	maxLimiterWait = 5 * time.Second
	// overloadRetry is how long a refused client is told to wait. Some thousand others are served in that time.
	overloadRetry = time.Second
	// startingRetry is about how long a server that starts reads its timetable.
	startingRetry = 2 * time.Second
	// streamRetry is how long a client with too many streams is told to wait. Streams end by the minute.
	streamRetry = 30 * time.Second
	// warnInterval is the least time between two warnings of one code. While a database is down, every request fails.
	warnInterval = time.Second
)

// The limits of the HTTP server.
const (
	// readHeaderTimeout ends clients that drip their headers (slow loris).
	readHeaderTimeout = 5 * time.Second
	// idleTimeout is longer than the 60 s for which load balancers commonly keep connections, so that the load balancer
	// closes first.
	idleTimeout = 2 * time.Minute
	// sendBuffer is how many bytes the system keeps of a response that its client has not read yet. A usual response is
	// not longer, and a phone a fifth of a second away still gets 5 Mbit/s. By itself, Linux keeps up to 4 MB for each
	// connection, in memory that no limit here counts.
	sendBuffer = 128 << 10
	// maxHeaderBytes leaves room for a token of 16 KiB and for a query in the URL.
	maxHeaderBytes = 32 << 10
)
