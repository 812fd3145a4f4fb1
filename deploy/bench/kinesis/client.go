package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// client has one connection, on which requests go out as prepared bytes: what
// it takes from the processors should be little beside what is measured.
type client struct {
	to     *server
	conn   net.Conn
	read   *bufio.Reader
	signer *v4.Signer
	answer bytes.Buffer
}

func dial(to *server) (*client, error) {
	conn, err := net.Dial("tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", to.name, err)
	}
	return &client{to: to, conn: conn, read: bufio.NewReaderSize(conn, 64<<10), signer: v4.NewSigner()}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// request is a call as the SDKs sign it.
func (c *client) request(op, body string) (*http.Request, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+c.to.address+"/", bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	who, sum := aws.Credentials{AccessKeyID: c.to.key, SecretAccessKey: c.to.secret}, sha256.Sum256([]byte(body))
	if err := c.signer.SignHTTP(context.Background(), who, r, hex.EncodeToString(sum[:]), "kinesis", "us-east-1", time.Now()); err != nil {
		return nil, fmt.Errorf("sign request: %w", err)
	}
	return r, nil
}

// prepare makes the bytes of a call, good for five minutes.
func (c *client) prepare(op, body string) ([]byte, error) {
	r, err := c.request(op, body)
	if err != nil {
		return nil, err
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	return wire.Bytes(), nil
}

// send sends prepared bytes and answers the body of the answer, which is good
// until the next call.
func (c *client) send(wire []byte) ([]byte, error) {
	if _, err := c.conn.Write(wire); err != nil {
		return nil, fmt.Errorf("call %s: %w", c.to.name, err)
	}
	answer, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.to.name, err)
	}
	defer answer.Body.Close()
	c.answer.Reset()
	if _, err := io.Copy(&c.answer, answer.Body); err != nil {
		return nil, fmt.Errorf("read answer of %s: %w", c.to.name, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d: %.300s", c.to.name, answer.StatusCode, c.answer.Bytes())
	}
	return c.answer.Bytes(), nil
}

// ask signs and sends one call.
func (c *client) ask(op, body string) ([]byte, error) {
	wire, err := c.prepare(op, body)
	if err != nil {
		return nil, err
	}
	return c.send(wire)
}

// call is ask on a connection of its own.
func (to *server) call(op, body string) (string, error) {
	c, err := dial(to)
	if err != nil {
		return "", err
	}
	defer c.close()
	answer, err := c.ask(op, body)
	return string(answer), err
}

// text is the value of the first member of that name in an answer whose
// strings need no escaping.
func text(answer []byte, name string) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(value)
}
