package gateway

import "time"

// The limits of a gateway, each a default that Options may change.
const (
	// DefaultMaxBodyBytes is twice what publishing a train with 256 calls and 20 coaches takes.
	DefaultMaxBodyBytes = 256 << 10
	// DefaultDepthLimit is a few levels more than the deepest sensible question has: viewer, orders, edges, node,
	// tickets, order, run, availability, classes, price, amount are 11.
	DefaultDepthLimit = 15
	// DefaultComplexityLimit admits a hundred offers with every scalar of their runs, calls (30 of them, with stations)
	// and classes, about 50,000, twice.
	DefaultComplexityLimit = 100_000
	// DefaultResponseLimit is as many values as the cost admits at usual lengths: some 5 MB of an answer, 100 MB while
	// it is made.
	DefaultResponseLimit = 100_000
	// DefaultTokenLimit is more than the largest mutation written without variables, and keeps parsing under 5 ms.
	DefaultTokenLimit = 10_000
	// DefaultOperationTimeout is longer than any honest answer takes; whoever still waits has given up.
	DefaultOperationTimeout = 10 * time.Second
	// DefaultMaxInFlight is the rush of ten thousand buyers, twice. An operation that waits costs some 20 KiB.
	DefaultMaxInFlight = 20_000
	// DefaultMaxReading fits two processors.
	DefaultMaxReading = 2
	// DefaultMaxStreams bounds WebSockets and event streams together, at about 40 KiB each: 2 GB.
	DefaultMaxStreams = 50_000
	// DefaultMaxStreamsPerViewer is a tab or an app on each of a few devices, several times over.
	DefaultMaxStreamsPerViewer = 20
	// DefaultMaxStreamsPerAddress is for streams without a token. Phones behind a carrier share an address; those with
	// a token are not counted there.
	DefaultMaxStreamsPerAddress = 200
	// DefaultMaxOperationsPerSocket is what one WebSocket may have running: a phone shows a few screens, a board in a
	// station a few dozen trains.
	DefaultMaxOperationsPerSocket = 100
)

// The limits that are nobody's setting.
const (
	// maxSelections bounds the selections of one document. Holding fields against each other takes the square of it:
	// 500 take 15 ms, 4,000 take a second. Introspection has about 100.
	maxSelections = 500
	// maxRepeats bounds how often one answer key is selected at one place: a fragment or two may share it, more is an
	// attempt at the square above.
	maxRepeats = 16
	// maxExpanded bounds the selections once every fragment is put in place: 20 fragments that each name the next one
	// twice are a million.
	maxExpanded = 5_000
	// maxSchemas bounds how often a document asks for the whole schema: tools ask once, and it is a few thousand
	// values.
	maxSchemas = 1
	// maxErrors bounds the errors of one answer; nobody reads on.
	maxErrors = 20
	// maxMessageBytes bounds what an error says: messages quote what a client has sent, which may be long.
	maxMessageBytes = 1_000
	// cachedDocuments and cachedDocumentBytes bound the cache of parsed documents: a parsed one takes some 30 times its
	// text, so all of them stay under 64 MB. A front end has a few dozen, of about a kilobyte.
	cachedDocuments     = 500
	cachedDocumentBytes = 4 << 10
	// bodyTimeout is for sending a whole body; a client that drips it holds a connection no longer than that.
	bodyTimeout = 15 * time.Second
	// writeTimeout is for taking an answer, or one event of a stream: whoever takes nothing for so long is gone, or
	// would make us keep what it does not read.
	writeTimeout = 15 * time.Second
	// fileTimeout is for taking a page or one of its scripts: the largest comes in that time over a slow phone's 200
	// kbit/s.
	fileTimeout = time.Minute
	// initTimeout is for the first message on a WebSocket.
	initTimeout = 10 * time.Second
	// keepAlive is how often an idle stream shows a sign of life: proxies commonly cut after 60 s, some after 30 s.
	keepAlive = 20 * time.Second
	// checkTimeout bounds one readiness check: probes commonly wait for 3 s or more.
	checkTimeout = 2 * time.Second
	// preflightAge is how long a browser may remember what it may ask; Chromium remembers no longer than 2 h.
	preflightAge = 2 * time.Hour
	// overloadedAfter is how long the last one who was read has stood in the line when whoever comes is sent away: a
	// crowd that comes in one moment stands there by then, and the rest is told at once, not after a second.
	overloadedAfter = 250 * time.Millisecond
	// maxLimiterWait bounds the time in that line: whoever stood there for longer had little of a client's own time
	// left.
	maxLimiterWait = 5 * time.Second
	// overloadRetry is what a refused client is told to wait: long enough for some thousand others to be served.
	overloadRetry = time.Second
	// startingRetry is about how long a server reads its timetable when it starts.
	startingRetry = 2 * time.Second
	// streamRetry is for those who have as many streams as they may have: theirs end by the minute.
	streamRetry = 30 * time.Second
	// warnInterval is the least time between two warnings of one kind: a database that is down fails every request.
	warnInterval = time.Second
)

// The limits of the HTTP server.
const (
	// readHeaderTimeout ends clients that drip their headers (slow loris).
	readHeaderTimeout = 5 * time.Second
	// idleTimeout is longer than the 60 s load balancers commonly keep connections for, so that it is them who close.
	idleTimeout = 2 * time.Minute
	// sendBuffer is what the system keeps of answers that a client has not taken: a usual answer is not longer, and a
	// phone a fifth of a second away still gets 5 Mbit/s. By itself Linux keeps up to 4 MB for each connection, of
	// memory that is nobody's budget.
	sendBuffer = 128 << 10
	// maxHeaderBytes leaves room for a token of 16 KiB and for a question in the URL.
	maxHeaderBytes = 32 << 10
)
