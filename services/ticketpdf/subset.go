package ticketpdf

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"golang.org/x/image/font/sfnt"
)

// The library reads all 30,000 glyphs of a font for each document, twice. So it is given a font that has the glyphs of
// the document alone. The tables are those of the OpenType specification 1.9.1, "Font file" and the chapter of each.

// tables are those of a font's file, by their tags.
type tables map[string][]byte

var errTables = errors.New("the font's tables are damaged")

// Sizes in bytes, and places.
const (
	directoryHead, directoryEntry = 12, 16

	headSize, locaFormatAt  = 54, 50
	hheaSize, metricCountAt = 36, 34
	maxpLeast, glyphCountAt = 6, 4
	postHead                = 32
	longMetric              = 4
	glyphHead               = 10
	maxGlyphs               = 1 << 16
)

func tablesOf(file []byte) (tables, error) {
	if len(file) < directoryHead {
		return nil, errTables
	}
	count, all := int(binary.BigEndian.Uint16(file[4:])), tables{}
	if len(file) < directoryHead+count*directoryEntry {
		return nil, errTables
	}
	for i := range count {
		entry := file[directoryHead+i*directoryEntry:]
		at, size := uint64(binary.BigEndian.Uint32(entry[8:])), uint64(binary.BigEndian.Uint32(entry[12:]))
		if at+size > uint64(len(file)) {
			return nil, errTables
		}
		all[string(entry[:4])] = file[at : at+size : at+size]
	}
	for tag, least := range map[string]int{
		"head": headSize, "hhea": hheaSize, "maxp": maxpLeast, "post": postHead, "glyf": 0, "loca": 0, "hmtx": 0, "name": 6,
		"OS/2": 0,
	} {
		if table, there := all[tag]; !there || len(table) < least {
			return nil, errTables
		}
	}
	return all, nil
}

// with is the font with some characters, and with what the library embeds always. Where it cannot be cut, it is the
// whole font. The library writes into what it is given.
func (f *font) with(characters map[rune]bool) []byte {
	all := maps.Clone(characters)
	for r := rune(0); r <= '9'; r++ {
		if f.has(r) {
			all[r] = true
		}
	}
	if b, err := f.subset(all); err == nil && !f.whole {
		return b
	}
	return slices.Clone(f.bytes)
}

// subset is the font with some characters alone, all of which it has. Its glyphs get new numbers.
func (f *font) subset(characters map[rune]bool) ([]byte, error) {
	from, err := tablesOf(f.bytes)
	if err != nil {
		return nil, err
	}
	s := &subset{from: from, number: map[sfnt.GlyphIndex]int{}}
	s.add(0)
	runes := slices.Sorted(maps.Keys(characters))
	numbers := make([]int, len(runes))
	for i, r := range runes {
		var b sfnt.Buffer
		glyph, err := f.glyph.GlyphIndex(&b, r)
		if err != nil {
			return nil, err
		}
		numbers[i] = s.add(glyph)
	}
	if err := s.outlines(); err != nil {
		return nil, err
	}
	s.to = tables{"glyf": s.glyf, "loca": s.loca, "hmtx": s.hmtx, "cmap": characterMap(runes, numbers)}
	s.copied("head", locaFormatAt, 1) // long offsets
	s.copied("hhea", metricCountAt, len(s.glyphs))
	s.copied("maxp", glyphCountAt, len(s.glyphs))
	post := slices.Clone(from["post"][:postHead])
	binary.BigEndian.PutUint32(post, 0x00030000) // without names of glyphs
	s.to["post"] = post
	for _, tag := range []string{"name", "OS/2", "cvt ", "fpgm", "prep"} {
		if table, there := from[tag]; there {
			s.to[tag] = table
		}
	}
	return s.to.file(), nil
}

// subset is a font that is being cut.
type subset struct {
	from, to tables
	// glyphs are those that are kept, by their old numbers in the order of their new ones, which number has.
	glyphs []sfnt.GlyphIndex
	number map[sfnt.GlyphIndex]int

	glyf, loca, hmtx []byte
}

// add keeps a glyph, and is its new number.
func (s *subset) add(glyph sfnt.GlyphIndex) int {
	n, there := s.number[glyph]
	if !there {
		n = len(s.glyphs)
		s.glyphs, s.number[glyph] = append(s.glyphs, glyph), n
	}
	return n
}

// copied copies a table, and writes a number of two bytes into it.
func (s *subset) copied(tag string, at, value int) {
	table := slices.Clone(s.from[tag])
	binary.BigEndian.PutUint16(table[at:], uint16(value))
	s.to[tag] = table
}

// outlines copies the outlines and widths of all glyphs, and of those that they are made of.
func (s *subset) outlines() error {
	for i := 0; i < len(s.glyphs); i++ { // It grows meanwhile.
		if len(s.glyphs) > maxGlyphs {
			return errTables
		}
		outline, err := s.outline(s.glyphs[i])
		if err != nil {
			return err
		}
		if outline, err = s.renumber(outline); err != nil {
			return err
		}
		metric, err := s.metric(s.glyphs[i])
		if err != nil {
			return err
		}
		s.loca = binary.BigEndian.AppendUint32(s.loca, uint32(len(s.glyf)))
		s.glyf = pad(append(s.glyf, outline...))
		s.hmtx = append(s.hmtx, metric...)
	}
	s.loca = binary.BigEndian.AppendUint32(s.loca, uint32(len(s.glyf)))
	return nil
}

// outline is what the font has of a glyph; nothing for one that is blank.
func (s *subset) outline(glyph sfnt.GlyphIndex) ([]byte, error) {
	loca, glyf, n := s.from["loca"], s.from["glyf"], int(glyph)
	var begin, end int
	if binary.BigEndian.Uint16(s.from["head"][locaFormatAt:]) == 0 {
		if len(loca) < 2*n+4 {
			return nil, errTables
		}
		begin, end = 2*int(binary.BigEndian.Uint16(loca[2*n:])), 2*int(binary.BigEndian.Uint16(loca[2*n+2:]))
	} else {
		if len(loca) < 4*n+8 {
			return nil, errTables
		}
		begin, end = int(binary.BigEndian.Uint32(loca[4*n:])), int(binary.BigEndian.Uint32(loca[4*n+4:]))
	}
	if begin > end || end > len(glyf) || end > begin && end < begin+glyphHead {
		return nil, errTables
	}
	return glyf[begin:end], nil
}

// The flags of a part of a glyph that is made of others ("glyf", "Composite glyph description").
const (
	wordArguments = 0x0001
	oneScale      = 0x0008
	moreParts     = 0x0020
	twoScales     = 0x0040
	fourScales    = 0x0080
)

// renumber gives the parts of a glyph that is made of others their new numbers, and keeps them.
func (s *subset) renumber(outline []byte) ([]byte, error) {
	if len(outline) == 0 || int16(binary.BigEndian.Uint16(outline)) >= 0 {
		return outline, nil
	}
	outline = slices.Clone(outline)
	for at, flags := glyphHead, moreParts; flags&moreParts != 0; {
		if at+4 > len(outline) {
			return nil, errTables
		}
		flags = int(binary.BigEndian.Uint16(outline[at:]))
		part := sfnt.GlyphIndex(binary.BigEndian.Uint16(outline[at+2:]))
		binary.BigEndian.PutUint16(outline[at+2:], uint16(s.add(part)))
		at += 6
		if flags&wordArguments != 0 {
			at += 2
		}
		switch {
		case flags&oneScale != 0:
			at += 2
		case flags&twoScales != 0:
			at += 4
		case flags&fourScales != 0:
			at += 8
		}
	}
	return outline, nil
}

// metric is the width of a glyph and its left side bearing. The last glyphs of a font share one width.
func (s *subset) metric(glyph sfnt.GlyphIndex) ([]byte, error) {
	hmtx, n := s.from["hmtx"], int(glyph)
	long := int(binary.BigEndian.Uint16(s.from["hhea"][metricCountAt:]))
	if long == 0 || len(hmtx) < long*longMetric {
		return nil, errTables
	}
	if n < long {
		return hmtx[n*longMetric : (n+1)*longMetric], nil
	}
	at := long*longMetric + 2*(n-long)
	if at+2 > len(hmtx) {
		return nil, errTables
	}
	return append(slices.Clone(hmtx[(long-1)*longMetric:(long-1)*longMetric+2]), hmtx[at:at+2]...), nil
}

// characterMap is a cmap with one table of format 4: a segment for each character, in ascending order, and the last one
// that each must have.
func characterMap(runes []rune, numbers []int) []byte {
	var ends, begins, deltas []byte
	add := func(r rune, n int) {
		ends = binary.BigEndian.AppendUint16(ends, uint16(r))
		begins = binary.BigEndian.AppendUint16(begins, uint16(r))
		deltas = binary.BigEndian.AppendUint16(deltas, uint16(n-int(r)))
	}
	for i, r := range runes {
		add(r, numbers[i])
	}
	const last = 0xffff
	add(last, 0)
	segments := len(ends) / 2
	search := 2
	selector := 0
	for search*2 <= segments*2 {
		search, selector = search*2, selector+1
	}
	const head, perSegment = 16, 8
	var b []byte
	for _, n := range []int{
		0, 1, // one table
		3, 1, 0, 12, // for Windows, Unicode's basic plane, behind these 12 bytes
		4, head + perSegment*segments, 0, 2 * segments, search, selector, 2*segments - search,
	} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(append(b, ends...), 0, 0)
	b = append(append(b, begins...), deltas...)
	return append(b, make([]byte, 2*segments)...) // no characters by lists
}

// file is a font's file. The checksums are left out: the library makes its own.
func (t tables) file() []byte {
	tags := slices.Sorted(maps.Keys(t))
	search, selector := 1, 0
	for search*2 <= len(tags) {
		search, selector = search*2, selector+1
	}
	b := []byte{0, 1, 0, 0}
	for _, n := range []int{
		len(tags), search * directoryEntry, selector, (len(tags) - search) * directoryEntry,
	} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	at := directoryHead + len(tags)*directoryEntry
	var data []byte
	for _, tag := range tags {
		b = append(append(b, tag...), 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(at+len(data)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(t[tag])))
		data = pad(append(data, t[tag]...))
	}
	return append(b, data...)
}

// pad fills up to four bytes.
func pad(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
