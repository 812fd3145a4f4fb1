package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"headgate/firmware-sim/device"
)

// The oracle file is text. Its first line says which world the devices live
// in, every other line that a run of one device's messages was acknowledged:
//
//	firmware-sim-oracle-1 seed epoch-ms period-ns [jump-ns] crc
//	device first last sent-ms qos crc
//
// sent-ms is when the first of the run was first sent, in Unix milliseconds;
// qos is missing in older files, whose messages count as QoS 1;
// crc is the CRC-32C, in hexadecimal, of the line before it. A line counts when
// it is whole; what follows the first that is not was never synced.
const oracleMagic = "firmware-sim-oracle-1"

// ErrOracle says that a file is no oracle, or is broken before its end.
var ErrOracle = errors.New("not an oracle file")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Acked is what an oracle file says was acknowledged.
type Acked struct {
	World   device.World
	Devices map[device.ID]*AckedDevice
}

// AckedDevice is what was acknowledged to one device.
type AckedDevice struct {
	QoS     byte // with which the device published
	Numbers Runs
	sent    map[uint64]int64 // Unix milliseconds by the first number of each line
}

// Len is how many messages were acknowledged.
func (a *Acked) Len() uint64 {
	var sum uint64
	for _, d := range a.Devices {
		sum += d.Numbers.Len()
	}
	return sum
}

// ReadOracle reads an oracle file. A torn last group is left out.
func ReadOracle(path string) (*Acked, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read oracle: %w", err)
	}
	acked, _, err := parseOracle(data)
	if err != nil {
		return nil, fmt.Errorf("read oracle %s: %w", path, err)
	}
	return acked, nil
}

// parseOracle reads an oracle and says how many of its bytes are whole lines.
func parseOracle(data []byte) (*Acked, int, error) {
	a := &Acked{Devices: make(map[device.ID]*AckedDevice)}
	good := 0
	for good < len(data) {
		end := bytes.IndexByte(data[good:], '\n')
		if end < 0 {
			break
		}
		fields, whole := openLine(data[good : good+end])
		if !whole {
			break
		}
		var err error
		if good == 0 {
			a.World, err = parseWorld(fields)
		} else {
			err = a.add(fields)
		}
		if err != nil {
			return nil, good, err
		}
		good += end + 1
	}
	if good == 0 {
		return nil, 0, ErrOracle
	}
	for rest := data[good:]; len(rest) > 0; { // a whole line behind a broken one: not a torn end
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		if _, whole := openLine(line); whole {
			return nil, good, fmt.Errorf("byte %d: %w", good, ErrOracle)
		}
		rest = after
	}
	return a, good, nil
}

// openLine checks a line's checksum and cuts it into its fields.
func openLine(line []byte) ([]string, bool) {
	at := bytes.LastIndexByte(line, ' ')
	if at < 0 {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(line[at+1:]), 16, 32)
	if err != nil || len(line)-at != 9 || uint32(sum) != crc32.Checksum(line[:at], castagnoli) {
		return nil, false
	}
	return strings.Fields(string(line[:at])), true
}

// closeLine appends the checksum of the line that began at start.
func closeLine(b []byte, start int) []byte {
	return fmt.Appendf(b, " %08x\n", crc32.Checksum(b[start:], castagnoli))
}

func worldLine(w device.World) []byte {
	b := fmt.Appendf(nil, "%s %d %d %d", oracleMagic, w.Seed, w.Epoch.UnixMilli(), w.Period.Nanoseconds())
	if w.Jump != 0 {
		b = fmt.Appendf(b, " %d", w.Jump.Nanoseconds())
	}
	return closeLine(b, 0)
}

func parseWorld(fields []string) (device.World, error) {
	jump := "0"
	if len(fields) == 5 {
		jump, fields = fields[4], fields[:4]
	}
	if len(fields) != 4 || fields[0] != oracleMagic {
		return device.World{}, ErrOracle
	}
	seed, err1 := strconv.ParseUint(fields[1], 10, 64)
	epoch, err2 := strconv.ParseInt(fields[2], 10, 64)
	period, err3 := strconv.ParseInt(fields[3], 10, 64)
	leap, err4 := strconv.ParseInt(jump, 10, 64)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return device.World{}, fmt.Errorf("%w: %w", ErrOracle, err)
	}
	return device.World{Seed: seed, Epoch: time.UnixMilli(epoch), Period: time.Duration(period), Jump: time.Duration(leap)}.Normal(), nil
}

func (a *Acked) add(fields []string) error {
	qos := byte(1)
	if len(fields) == 5 && len(fields[4]) == 1 {
		qos, fields = fields[4][0]-'0', fields[:4]
	}
	if len(fields) != 4 || qos < 1 || qos > 2 {
		return ErrOracle
	}
	id, err := device.ParseID(fields[0])
	first, err1 := strconv.ParseUint(fields[1], 10, 64)
	last, err2 := strconv.ParseUint(fields[2], 10, 64)
	sent, err3 := strconv.ParseInt(fields[3], 10, 64)
	if err := errors.Join(err, err1, err2, err3); err != nil {
		return fmt.Errorf("%w: %w", ErrOracle, err)
	}
	if first == 0 || last < first || last-first > 1<<32 {
		return fmt.Errorf("run %d to %d: %w", first, last, ErrOracle)
	}
	d := a.Devices[id]
	if d == nil {
		d = &AckedDevice{QoS: qos, sent: make(map[uint64]int64)}
		a.Devices[id] = d
	}
	for n := first; n <= last; n++ {
		d.Numbers.Add(n)
	}
	if _, known := d.sent[first]; !known {
		d.sent[first] = sent
	}
	return nil
}

// openOracle opens an oracle for appending, or begins one for this world. What
// it holds already is returned; a torn end is cut off.
func openOracle(path string, world device.World) (*os.File, *Acked, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	if !bytes.Contains(data, []byte("\n")) && bytes.HasPrefix(append([]byte(oracleMagic), ' '), data[:min(len(data), len(oracleMagic))]) {
		data = worldLine(world) // new, or torn in its first line
		err = errors.Join(file.Truncate(0), writeAt(file, data, 0), file.Sync())
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	acked, good, err := parseOracle(data)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	if err := file.Truncate(int64(good)); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(int64(good), io.SeekStart); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, acked, nil
}

func writeAt(file *os.File, data []byte, at int64) error {
	_, err := file.WriteAt(data, at)
	return err
}
