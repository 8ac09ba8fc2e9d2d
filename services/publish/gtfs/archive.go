package gtfs

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"interlock/services/rail"
)

// encrypted is the general purpose flag of an entry that needs a password.
const encrypted = 0x1

// required are the files without which there is no timetable; of the two calendars one is enough.
var required = []string{"agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt"}

// ReadFile is ReadZip of a file, or Read of a folder. An error of opening it is returned as it is, and is no refusal of
// a feed.
func ReadFile(ctx context.Context, name string, options Options) (*Feed, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return Read(ctx, os.DirFS(name), options)
	}
	feed, err := ReadZip(ctx, file, info.Size(), options)
	if errors.Is(err, errNotZip) {
		return nil, refuse(filepath.Base(name), 0, "%s", whatItIs(file))
	}
	return feed, err
}

// beginnings are how files begin that are taken for feeds, and what they are.
var beginnings = []struct{ bytes, what string }{
	{"\x1f\x8b", "it is a gzip archive: unpack it, and give the folder"},
	{"7z\xbc\xaf\x27\x1c", "it is a 7z archive: unpack it, and give the folder"},
	{"Rar!\x1a\x07", "it is a RAR archive: unpack it, and give the folder"},
	{"\xfd7zXZ\x00", "it is an xz archive: unpack it, and give the folder"},
	{"\x28\xb5\x2f\xfd", "it is a Zstandard archive: unpack it, and give the folder"},
	{"PK\x03\x04", "it is a zip archive without its end: was it loaded whole?"},
	{"<", "it is not a zip archive, but as it looks a web page: does its address want a key?"},
	{"{", "it is not a zip archive, but as it looks JSON: does its address want a key?"},
}

// whatItIs says what a file is that is no zip archive.
func whatItIs(file io.ReaderAt) string {
	begin := make([]byte, 8)
	n, _ := file.ReadAt(begin, 0) // A file of fewer bytes, or none, begins with none of these.
	for _, known := range beginnings {
		if strings.HasPrefix(string(begin[:n]), known.bytes) {
			return known.what
		}
	}
	return "it is not a zip archive"
}

var (
	// errNotZip is ReadZip's refusal of bytes that are no archive at all.
	errNotZip = rail.Refuse(rail.Invalid, "the feed is not a zip archive")
	// errDirectoryTooLong is its refusal of an archive that is mostly a list of files.
	errDirectoryTooLong = rail.Refuse(
		rail.Invalid, "the archive's list of files is longer than %d MiB", maxDirectoryBytes>>20)
)

// ReadZip reads a feed from a zip archive. Its files may lie in one folder of it.
func ReadZip(ctx context.Context, r io.ReaderAt, size int64, options Options) (*Feed, error) {
	gate := &gate{ReaderAt: r, left: maxDirectoryBytes}
	archive, err := zip.NewReader(gate, size)
	switch {
	case errors.Is(err, errDirectoryTooLong):
		return nil, errDirectoryTooLong
	case err != nil:
		return nil, errNotZip
	}
	gate.open = true
	if len(archive.File) > maxEntries {
		return nil, rail.Refuse(rail.Invalid, "the archive has %d entries, more than %d", len(archive.File), maxEntries)
	}
	for i, file := range archive.File {
		// Some programs of Windows write backslashes between folders.
		file.Name = strings.ReplaceAll(file.Name, `\`, "/")
		if len(file.Name) > maxNameBytes || strings.Count(file.Name, "/") > maxDepth {
			return nil, rail.Refuse(rail.Invalid,
				"the path of the archive's file %d is longer than %d bytes or deeper than %d folders", i+1,
				maxNameBytes, maxDepth)
		}
		if file.Flags&encrypted != 0 {
			file.Method = methodEncrypted
		}
		if file.Method != zip.Store && file.Method != zip.Deflate {
			archive.RegisterDecompressor(file.Method, unreadableMethod(file.Method))
		}
	}
	return read(ctx, archive, options, newBudget(&options, size))
}

// methodEncrypted stands for any method in an entry that needs a password. It is what WinZip's encryption is called.
const methodEncrypted = 99

// methods are the ways to pack that programs use and Go does not know (APPNOTE.TXT, 4.4.5).
var methods = map[uint16]string{
	1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "BZIP2", 14: "LZMA", 20: "Zstandard", 93: "Zstandard", 95: "XZ",
	98: "PPMd",
}

// unreadableMethod unpacks nothing, and says why. So a file that is not needed may be packed in any way.
func unreadableMethod(method uint16) zip.Decompressor {
	err := fmt.Errorf("it is packed by a method that is not read (%s, %d): pack it again, with Deflate",
		cmp.Or(methods[method], "unknown"), method)
	if method == methodEncrypted {
		err = errors.New("it is encrypted")
	}
	return func(io.Reader) io.ReadCloser { return io.NopCloser(failing{err}) }
}

// failing is a file that cannot be read.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// locate finds the one folder the feed lies in: the root, or the only folder that has files of a feed.
func locate(fsys fs.FS) (fs.FS, error) {
	folders, archives, err := feedFolders(fsys)
	if err != nil {
		return nil, unreadableFeed(err)
	}
	folder := "."
	switch {
	case len(folders) == 0 && len(archives) > 0:
		return nil, rail.Refuse(rail.Invalid, "the archive has no feed, but archives in it (%s): unpack it, and "+
			"import one of them", shortened(strings.Join(archives, ", ")))
	case slices.Contains(folders, ".") || len(folders) == 0:
	case len(folders) == 1:
		folder = folders[0]
	default:
		return nil, rail.Refuse(rail.Invalid, "the archive has more than one feed: in the folders %q and %q",
			folders[0], folders[1])
	}
	root, err := fs.Sub(fsys, folder)
	if err != nil {
		return nil, unreadableFeed(err)
	}
	for _, file := range required {
		if !exists(root, file) {
			return nil, rail.Refuse(rail.Invalid, "the feed lacks %s", file)
		}
	}
	if !exists(root, "calendar.txt") && !exists(root, "calendar_dates.txt") {
		return nil, rail.Refuse(rail.Invalid, "the feed lacks calendar.txt and calendar_dates.txt")
	}
	return root, nil
}

// feedFolders are the folders that have a required file of a feed, in the order in which they are met, and some of the
// archives that are there beside.
func feedFolders(fsys fs.FS) (folders, archives []string, err error) {
	entries := 0
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entries++; entries > maxEntries {
			return rail.Refuse(rail.Invalid, "the feed has more than %d files", maxEntries)
		}
		if entry.IsDir() {
			if isHidden(name, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.EqualFold(path.Ext(name), ".zip") && len(archives) < maxNamed {
			archives = append(archives, name)
		}
		if folder := path.Dir(name); slices.Contains(required, entry.Name()) && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		return nil
	})
	return folders, archives, err
}

// isHidden tells whether a folder is not looked into: its name begins with a dot, or it is the one in which archives
// made on a Mac carry a shadow of every file.
func isHidden(path, name string) bool {
	return name == "__MACOSX" || path != "." && strings.HasPrefix(name, ".")
}

// unreadableFeed is the refusal of a feed whose files cannot be listed. An error that is a refusal stays as it is.
func unreadableFeed(err error) error {
	var refusal *rail.Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return &rail.Error{Code: rail.Invalid, Message: "the feed cannot be read: " + err.Error(), Cause: err}
}

// exists tells whether a file is there. A pipe or a device, which might never end, counts as missing. A file that
// cannot be opened is there: opening it fails.
func exists(fsys fs.FS, file string) bool {
	info, err := fs.Stat(fsys, file)
	return err == nil && info.Mode().IsRegular()
}
