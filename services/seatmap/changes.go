package seatmap

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Change is a seat that was sold or given back between two calls.
type Change struct {
	// Class is the place of the seat's class among those of its formation.
	Class int
	// Seat is sold, or free again, from call From to call To.
	Seat, From, To int
	Freed          bool
}

// AppendChange appends a change as the ledger keeps it: four unsigned varints, about six bytes in all, of which the
// first is twice the class, and one more where the seat was given back.
func AppendChange(dst []byte, c Change) []byte {
	first := uint64(c.Class) << 1
	if c.Freed {
		first |= 1
	}
	dst = binary.AppendUvarint(dst, first)
	dst = binary.AppendUvarint(dst, uint64(c.Seat))
	dst = binary.AppendUvarint(dst, uint64(c.From))
	return binary.AppendUvarint(dst, uint64(c.To))
}

// errChanges says that bytes are not what AppendChange wrote.
var errChanges = errors.New("the changes of a seat map cannot be read")

// Replay makes changes to the maps of a formation's classes, in their order. An error says that changes and maps do not
// fit together; the maps are of no use then.
func Replay(maps []*Map, changes []byte) error {
	for len(changes) > 0 {
		var field [4]uint64
		for i := range field {
			value, n := binary.Uvarint(changes)
			if n <= 0 || value > 1<<31 {
				return errChanges
			}
			field[i], changes = value, changes[n:]
		}
		c := Change{
			Class: int(field[0] >> 1), Freed: field[0]&1 == 1,
			Seat: int(field[1]), From: int(field[2]), To: int(field[3]),
		}
		if c.Class >= len(maps) {
			return fmt.Errorf("%w: class %d of %d", errChanges, c.Class, len(maps))
		}
		change := maps[c.Class].Sell
		if c.Freed {
			change = maps[c.Class].Release
		}
		if err := change(c.Seat, c.From, c.To); err != nil {
			return err
		}
	}
	return nil
}
