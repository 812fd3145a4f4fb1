package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// server is who is called.
type server struct {
	name, address, key, secret string
	pid                        int
}

// caller has one connection. It signs each request as the SDKs do.
type caller struct {
	to     server
	http   *http.Client
	signer *v4.Signer
	bodies []body
}

// body is a prepared request, so that making it costs nothing while measured.
type body struct {
	text []byte
	hash string
}

const (
	recordsEach  = 500
	recordBytes  = 200
	preparedEach = 20
)

func newCaller(to server) *caller {
	return &caller{to: to, signer: v4.NewSigner(), http: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1, DisableCompression: true}}}
}

// prepare makes requests of 500 records of 200 bytes, each with a key of its
// own out of 10,000.
func (c *caller) prepare(seed int) {
	type record struct {
		Data         string
		PartitionKey string
	}
	random := rand.New(rand.NewPCG(1, uint64(seed)))
	for range preparedEach {
		var request struct {
			StreamName string
			Records    []record
		}
		request.StreamName = "bench"
		for range recordsEach {
			key := fmt.Sprintf("device-%04d", random.IntN(10_000))
			text := fmt.Sprintf(`{"id":%q,"seq":%d,"lat":%.6f,"lon":%.6f,"temperature":%.2f,"note":"`, key, random.IntN(1<<30),
				random.Float64()*90, random.Float64()*180, random.Float64()*40)
			for len(text) < recordBytes-2 {
				text += string(rune('a' + random.IntN(26)))
			}
			request.Records = append(request.Records, record{base64.StdEncoding.EncodeToString([]byte(text + `"}`)), key})
		}
		text, err := json.Marshal(request)
		if err != nil {
			panic(err) // a struct of strings
		}
		c.bodies = append(c.bodies, newBody(text))
	}
}

func newBody(text []byte) body {
	sum := sha256.Sum256(text)
	return body{text: text, hash: hex.EncodeToString(sum[:])}
}

// noneFailed is what an answer says when every record was stored.
var noneFailed = []byte(`"FailedRecordCount":0`)

// put sends one prepared request and answers how many records it stored.
func (c *caller) put(n int) (int, error) {
	answer, err := c.send("PutRecords", c.bodies[n%len(c.bodies)])
	if err != nil {
		return 0, err
	}
	if !bytes.Contains(answer, noneFailed) {
		return 0, fmt.Errorf("%s did not store everything: %.300s", c.to.name, answer)
	}
	return recordsEach, nil
}

func (c *caller) call(op string, text []byte) ([]byte, error) { return c.send(op, newBody(text)) }

func (c *caller) send(op string, b body) ([]byte, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+c.to.address+"/", bytes.NewReader(b.text))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	who := aws.Credentials{AccessKeyID: c.to.key, SecretAccessKey: c.to.secret}
	if err := c.signer.SignHTTP(context.Background(), who, r, b.hash, "kinesis", "us-east-1", time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.to.name, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %.300s", c.to.name, answer.StatusCode, text)
	}
	return text, err
}
