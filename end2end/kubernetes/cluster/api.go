package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// requestPatience is how long one answer may take. A server that is coming up may give none.
const requestPatience = 3 * time.Second

// api asks the API server the few things that tell whether the cluster is ready.
type api struct {
	server string
	client *http.Client
}

func newAPI(server string, ca *authority, who pair) (*api, error) {
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	certificate, err := tls.LoadX509KeyPair(who.certificate, who.key)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}}
	return &api{server, &http.Client{Transport: transport, Timeout: requestPatience}}, nil
}

func (a *api) get(path string) ([]byte, error) {
	answer, err := a.client.Get(a.server + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %.300s", path, answer.Status, body)
	}
	return body, nil
}

// ready: it answers, and has set up what it needs itself.
func (a *api) ready() error {
	_, err := a.get("/readyz")
	return err
}

// canMakePods: pods are refused until a controller has made the account that they run as.
func (a *api) canMakePods() error {
	_, err := a.get("/api/v1/namespaces/default/serviceaccounts/default")
	return err
}

// nodeReady: the kubelet has said that it can run pods.
func (a *api) nodeReady() error {
	body, err := a.get("/api/v1/nodes/" + nodeName)
	if err != nil {
		return err
	}
	var node struct {
		Spec   struct{ Taints []struct{ Key string } }
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && condition.Status != "True" {
			return fmt.Errorf("the node is not ready: %s", condition.Message)
		}
		if condition.Type == "Ready" && len(node.Spec.Taints) == 0 {
			return nil
		}
	}
	return fmt.Errorf("the node has said nothing yet, or is still tainted: %v", node.Spec.Taints)
}

// exists tells whether a path is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
