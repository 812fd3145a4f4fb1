package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
)

// document is one record of telemetry, of about 300 bytes. Half of them pass
// the filter of the transform.
func document(random *rand.Rand, n int) string {
	status := "RUN"
	if n%2 == 1 {
		status = "IDLE"
	}
	return fmt.Sprintf(`{"device":"press-%03d","n":%d,"temp":%.2f,"status":%q,"pressure":%.3f,"vibration":[%.4f,%.4f,%.4f],"location":{"hall":%d,"line":%d,"lat":%.6f,"lon":%.6f},"firmware":"4.%d.%d","operator":"shift-%d","message":"cycle %d finished"}`,
		n%200, n, 51+20*random.Float64(), status, 3+random.Float64(), random.Float64(), random.Float64(), random.Float64(),
		n%4, n%16, 52+random.Float64(), 13+random.Float64(), n%7, n%13, n%3, n)
}

// writeBacklog writes the records as lines, the same ones each time.
func writeBacklog(name string, records int) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write backlog: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	random := rand.New(rand.NewPCG(1, 2))
	for n := range records {
		fmt.Fprintln(w, document(random, n))
	}
	return w.Flush()
}
