package link

// The first byte of a packet that says how a statement went.
const (
	okPacket    = 0x00
	errorPacket = 0xff
)

// inTransaction is the flag of a session whose transaction is open.
const inTransaction = 0x01

// answer is what a member says to a text that commits: first how each statement before COMMIT went, if there are any.
type answer struct {
	// held is a packet of which the end has not come.
	held []byte
	// began says that what comes now is the answer to COMMIT, and failed that there will be none.
	began, failed bool
	// told is how much of the answer to COMMIT has come.
	told int
}

// split is what of a piece comes before the answer to COMMIT, and what belongs to it. Whose session has no transaction any
// more says so in answering the COMMIT.
func (a *answer) split(p []byte) (before, commit []byte) {
	if a.failed {
		return p, nil
	}
	for p, a.held = append(a.held, p...), nil; !a.began; {
		whole := packetHeader
		if len(p) >= packetHeader {
			whole += bodyOf(p)
		}
		if len(p) < whole {
			a.held = p
			return before, nil
		}
		switch body := p[packetHeader:whole]; {
		case len(body) > 0 && body[0] == errorPacket:
			a.failed = true
			return append(before, p...), nil
		case len(body) > 0 && body[0] == okPacket && statusOf(body)&inTransaction == 0:
			a.began = true
		default:
			before, p = append(before, p[:whole]...), p[whole:]
		}
	}
	a.told += len(p)
	return before, p
}

// statusOf is the session's flags in a packet that says OK. Two numbers come before them, each as long as its first byte
// says.
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
