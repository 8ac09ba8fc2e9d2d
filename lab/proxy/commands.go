package proxy

import (
	"bytes"
	"encoding/binary"
)

// packetHeader is the length of a packet's head: the length of its body in three bytes, and its number. Of all that a
// client says, only commands have the number 0.
const packetHeader = 4

// commitText is in every text that commits a sale or a payment: it asks, in the same breath, whether a replica has it.
var commitText = []byte("COMMIT; S")

// commands finds the commands in what a client says to MySQL, in pieces of any size.
type commands struct {
	// head is of the packet under way, until it is whole. rest is what is still to come of its body.
	head []byte
	rest int
	// tail is the end of what has come of the command: too little to hold the text that commits, and perhaps its
	// beginning.
	tail []byte
}

// scan reads a piece. It calls begins for every command that begins in it, and commits when one turns out to commit.
func (c *commands) scan(p []byte, begins, commits func()) {
	for len(p) > 0 {
		if c.rest == 0 {
			n := min(packetHeader-len(c.head), len(p))
			c.head, p = append(c.head, p[:n]...), p[n:]
			if len(c.head) < packetHeader {
				return
			}
			c.rest = bodyOf(c.head)
			if c.head[3] == 0 {
				c.tail = c.tail[:0]
				begins()
			}
			c.head = c.head[:0]
			continue
		}
		n := min(c.rest, len(p))
		seen := append(c.tail, p[:n]...)
		if bytes.Contains(seen, commitText) {
			commits()
		}
		c.tail = append(c.tail[:0], seen[max(0, len(seen)-len(commitText)+1):]...)
		c.rest, p = c.rest-n, p[n:]
	}
}

// bodyOf is how long the body of a packet is.
func bodyOf(packet []byte) int {
	return int(binary.LittleEndian.Uint32(packet) & 0xff_ffff)
}
