package proxy

// The first byte of a packet that says how a statement went.
const (
	okPacket    = 0x00
	errorPacket = 0xff
)

// inTransaction is the flag of a session whose transaction is open.
const inTransaction = 0x01

// answer is what a member says to a text that commits: the results of the statements before COMMIT, those of COMMIT and
// of what is asked with it, and those of what begins the next transaction. There may be nothing before and behind.
type answer struct {
	// held is a packet that is not whole yet.
	held []byte
	// began says that what comes now is the answer to COMMIT, failed that there will be none, and over that it has
	// come.
	began, failed, over bool
	// told is how much of the answer to COMMIT has come.
	told int
}

// split divides a piece into what comes before the answer to COMMIT, what belongs to it, and what comes behind. A
// session says in its answer to COMMIT that it has no transaction any more. The question behind it is answered with
// rows, so the next packet that says OK belongs to what comes behind.
func (a *answer) split(p []byte) (before, commit, behind []byte) {
	p, a.held = append(a.held, p...), nil
	for !a.failed && !a.over {
		whole := packetHeader
		if len(p) >= packetHeader {
			whole += bodyOf(p)
		}
		if len(p) < whole {
			p, a.held = nil, p
			break
		}
		body := p[packetHeader:whole]
		says := func(kind byte) bool { return len(body) > 0 && body[0] == kind }
		switch {
		case !a.began && says(errorPacket):
			a.failed = true
			continue
		case a.began && says(okPacket):
			a.over = true
			continue
		case says(okPacket) && statusOf(body)&inTransaction == 0:
			a.began = true
		}
		if a.began {
			commit = append(commit, p[:whole]...)
		} else {
			before = append(before, p[:whole]...)
		}
		p = p[whole:]
	}
	a.told += len(commit)
	return before, commit, p
}

// statusOf is the session's flags in a packet that says OK. Two numbers come before them, each as long as its first
// byte says.
func statusOf(body []byte) byte {
	at := 1
	for range 2 {
		if at >= len(body) {
			return 0
		}
		switch body[at] {
		case 0xfc:
			at += 3
		case 0xfd:
			at += 4
		case 0xfe:
			at += 9
		default:
			at++
		}
	}
	if at >= len(body) {
		return 0
	}
	return body[at]
}
