package bank

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// journalFile is the journal's name in its folder: a JSON document a line, the newest last.
const journalFile = "bank.jsonl"

// maxLine bounds a line of the journal.
const maxLine = 1 << 20

// entry is a line: what has become of one thing.
type entry struct {
	Session *session `json:"session,omitempty"`
	Intent  *intent  `json:"intent,omitempty"`
	Key     string   `json:"key,omitempty"`
	Answer  *answer  `json:"answer,omitempty"`
	Events  []*event `json:"events,omitempty"`
	Told    string   `json:"told,omitempty"` // the event that was told
}

// journal writes entries and syncs them to the disk, all that wait at once. A nil journal keeps nothing.
type journal struct {
	file *os.File

	mu       sync.Mutex
	changed  sync.Cond
	waiting  bytes.Buffer
	appended int64 // how many appends there were
	synced   int64 // how many of them are on the disk
	closed   bool
	err      error
	done     chan struct{}
}

// openJournal reads what is there, entry by entry. A last line that was not finished is cut off: no answer rested
// on it.
func openJournal(folder string, replay func(*entry)) (*journal, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	name := filepath.Join(folder, journalFile)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	good, err := readJournal(file, name, replay)
	if err == nil {
		err = file.Truncate(good)
	}
	if err == nil {
		_, err = file.Seek(good, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	j := &journal{file: file, done: make(chan struct{})}
	j.changed.L = &j.mu
	go j.write()
	return j, nil
}

// readJournal returns how many bytes are whole lines.
func readJournal(file io.Reader, name string, replay func(*entry)) (good int64, err error) {
	reader := bufio.NewReaderSize(file, maxLine)
	for number := 1; ; number++ {
		line, err := reader.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		}
		if err != nil {
			return 0, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		replay(&e)
		good += int64(len(line))
	}
}

// append notes entries, and returns what to wait for.
func (j *journal) append(entries ...*entry) int64 {
	if j == nil || len(entries) == 0 {
		return 0
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	encoder := json.NewEncoder(&j.waiting)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			j.err = errors.Join(j.err, err)
		}
	}
	j.appended++
	j.changed.Broadcast()
	return j.appended
}

// wait returns once what was appended is on the disk, or cannot be brought there.
func (j *journal) wait(noted int64) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.synced < noted && j.err == nil {
		j.changed.Wait()
	}
}

// failed is why the journal cannot be written, nil while it can.
func (j *journal) failed() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// write brings what waits to the disk, until the journal is closed.
func (j *journal) write() {
	defer close(j.done)
	for {
		j.mu.Lock()
		for j.waiting.Len() == 0 && !j.closed {
			j.changed.Wait()
		}
		if j.waiting.Len() == 0 {
			j.mu.Unlock()
			return
		}
		lines, upTo := bytes.Clone(j.waiting.Bytes()), j.appended
		j.waiting.Reset()
		j.mu.Unlock()
		_, err := j.file.Write(lines)
		if err == nil {
			err = j.file.Sync()
		}
		j.mu.Lock()
		j.synced, j.err = upTo, errors.Join(j.err, err)
		j.changed.Broadcast()
		j.mu.Unlock()
	}
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	j.closed = true
	j.changed.Broadcast()
	j.mu.Unlock()
	<-j.done
	return errors.Join(j.failed(), j.file.Close())
}
