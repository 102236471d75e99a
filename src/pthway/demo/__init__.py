"""The files behind `pthway demo`: a small trained network and images that it has never seen.

The data are the 1,797 handwritten digits (8x8 pixels, 17 grey levels) that scikit-learn ships: the test part of the
"Optical Recognition of Handwritten Digits" data set by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
licence CC BY 4.0. Grey levels were rescaled from 0..16 to 0..255. All but the class is written by
`examples/digits/train.py`.

* `digitnet.py`: the network's class, `DigitNet(channels, hidden, num_classes)`
* `digits.pth`: its state dict, trained and saved by plain PyTorch
* `held_out.npz`: `images`, uint8 (360, 1, 8, 8), and `labels`, int64 (360,), none of them used in training
* `images/`: five of the held-out digits as grey 8x8 PNG files; the name tells the true digit
"""
