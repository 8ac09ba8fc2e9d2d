package gtfs

import (
	"fmt"
	"io"
	"math"
)

// Bounds of a feed: a hostile feed costs no more than that of an honest railway. What an archive says of itself is not
// believed: everything is counted while reading.
const (
	// DefaultMaxMemory is what a feed may take in memory: ten million rows of stop_times.txt, where the largest
	// railways have five. A feed of all buses and trams of a large country has thirty million, and needs a larger
	// MaxMemory.
	DefaultMaxMemory = 1 << 30
	// unpackedPerMemory is how many bytes of text may be read for each byte that may be kept. A row of stop_times.txt
	// is some 65 bytes and takes 100.
	unpackedPerMemory = 2
	// maxRatio is how many bytes an archive may unpack to, and how many may be kept, for each byte of its own.
	// Timetables are packed to a tenth, the most regular to a thirtieth; a zip bomb to a thousandth.
	maxRatio = 64
	// freeUnpacked and freeMemory are what every archive may have, however small: a few empty columns are packed to
	// almost nothing.
	freeUnpacked = 16 << 20
	freeMemory   = 64 << 20

	// maxDirectoryBytes is how much of an archive may be its table of contents: maxEntries with long names.
	maxDirectoryBytes = 4 << 20
	// maxEntries is far above the thirty-odd files GTFS knows, and keeps the search for a feed's folder short.
	maxEntries = 10_000
	// maxNameBytes and maxDepth bound the path of a file in an archive; a feed's files lie at the top or in one folder.
	maxNameBytes = 255
	maxDepth     = 8

	// maxColumns is ten times what the longest file of GTFS has: each row is as wide as the header.
	maxColumns = 256
	// bufferBytes is how much of a file is read at once.
	bufferBytes = 64 << 10
	// maxRecordBytes bounds one row: an unclosed quote would otherwise swallow the whole file into memory.
	maxRecordBytes = 1 << 20
	// maxFieldBytes bounds one field. Names and ids have tens of bytes, descriptions thousands.
	maxFieldBytes = 16 << 10
	// maxUnclosed is how many quotes of a file may not be closed: behind each, up to maxRecordBytes are read twice.
	maxUnclosed = 1_000
	// maxRows bounds one file, also where nothing is kept of its rows. Lines, empty ones too, are counted in 32 bits.
	maxRows  = 100_000_000
	maxLines = 1_000_000_000
	// maxRepetitions is how often frequencies.txt may repeat one trip: every minute of two days, and more.
	maxRepetitions = 3_000
)

// What is kept in memory, in bytes beside its texts: the structure, its place in maps and lists, and room for these to
// grow.
const (
	keptAgency    = 100
	keptStop      = 500 // With the station it becomes.
	keptName      = 150
	keptRoute     = 200
	keptService   = 200
	keptException = 50
	keptTrip      = 300
	keptStopTime  = 100 // With the call it becomes.
	keptHeadway   = 100
	keptHop       = 50
)

// budget is how much of a feed may still be read and kept.
type budget struct {
	rows, unpacked, memory int64
	// packed is the size of the archive, 0 where the feed is a folder. maxUnpacked and maxMemory are what there was at
	// first.
	packed, maxUnpacked, maxMemory int64
}

// newBudget is the budget of a feed. packed is the size of its archive, 0 for a folder, to which no ratio applies.
func newBudget(options *Options, packed int64) *budget {
	memory := options.MaxMemory
	if memory <= 0 {
		memory = DefaultMaxMemory
	}
	b := &budget{rows: maxRows, packed: packed, maxMemory: memory, maxUnpacked: math.MaxInt64}
	if memory < math.MaxInt64/unpackedPerMemory {
		b.maxUnpacked = memory * unpackedPerMemory
	}
	if packed > 0 && packed < math.MaxInt64/(2*maxRatio) {
		b.maxUnpacked = min(b.maxUnpacked, freeUnpacked+packed*maxRatio)
		b.maxMemory = min(b.maxMemory, freeMemory+packed*maxRatio)
	}
	b.unpacked, b.memory = b.maxUnpacked, b.maxMemory
	return b
}

// tooLarge says which bound was passed.
func (b *budget) tooLarge(what string, most int64) string {
	text := fmt.Sprintf("the feed has more than %d MiB %s", most>>20, what)
	if b.packed > 0 {
		text += fmt.Sprintf(", which is too much for an archive of %d KiB", b.packed>>10)
	}
	return text
}

// keep charges what is kept of a row: a number of bytes, and the texts.
func (t *table) keep(bytes int, texts ...string) error {
	return t.budget.keep(t.name, t.line, bytes, texts...)
}

// keep charges what is kept because of a line of a file.
func (b *budget) keep(file string, line, bytes int, texts ...string) error {
	for _, text := range texts {
		bytes += len(text)
	}
	if b.memory -= int64(bytes); b.memory < 0 {
		return refuse(file, line, "%s", b.tooLarge("to keep in memory", b.maxMemory))
	}
	return nil
}

// gate lets left bytes of an archive's table of contents be read, and everything once it is open.
type gate struct {
	io.ReaderAt
	left int64
	open bool
}

func (g *gate) ReadAt(p []byte, off int64) (int, error) {
	if g.left -= int64(len(p)); g.left < 0 && !g.open {
		return 0, errDirectoryTooLong
	}
	return g.ReaderAt.ReadAt(p, off)
}
