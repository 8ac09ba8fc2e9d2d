package link

import (
	"bytes"
	"encoding/binary"
)

const (
	// packetHeader is a packet's: its length in three bytes and its number, which is 0 for a command only.
	packetHeader = 4
	// queryCommand begins the command that is a text.
	queryCommand = 0x03
)

// commitText begins the text that commits a sale or a payment and asks, in the same breath, whether a replica has it.
var commitText = []byte("COMMIT;")

// headBytes is what it takes to know a COMMIT.
var headBytes = 1 + len(commitText)

// commands finds the commands in what a client says to MySQL, in pieces of any size.
type commands struct {
	// head is the beginning of the packet under way: its header, and what tells a COMMIT.
	head []byte
	// rest is what is still to come of the packet.
	rest int
}

// scan reads a piece and calls begins for every command whose beginning is known with it.
func (c *commands) scan(p []byte, begins func(commit bool)) {
	for len(p) > 0 {
		if len(c.head) < packetHeader {
			n := min(packetHeader-len(c.head), len(p))
			c.head, p = append(c.head, p[:n]...), p[n:]
			if len(c.head) < packetHeader {
				return
			}
			c.rest = int(binary.LittleEndian.Uint32(c.head) & 0xff_ffff)
		} else {
			n := min(c.rest, len(p))
			if missing := packetHeader + headBytes - len(c.head); missing > 0 {
				c.head = append(c.head, p[:min(missing, n)]...)
			}
			c.rest, p = c.rest-n, p[n:]
		}
		known := len(c.head) == packetHeader+headBytes
		if known && c.head[3] == 0 {
			begins(c.head[packetHeader] == queryCommand && bytes.Equal(c.head[packetHeader+1:], commitText))
			c.head[3] = 1 // told
		}
		if c.rest > 0 {
			continue
		}
		if !known && c.head[3] == 0 {
			begins(false) // too short for a COMMIT
		}
		c.head = c.head[:0]
	}
}
