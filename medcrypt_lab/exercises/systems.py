"""The systems of the survey: the row of its tables that a verdict names -> a short name, in the survey's order."""

SYSTEMS = {
    "A1": "FGSM", "A2": "BIM", "A3": "PGD", "A4": "C&W", "A5": "JSMA", "A6": "UAP", "A7": "DeepFool", "B1": "Bortsova: no-box transfer",
    "B2": "Paschali: robustness", "B3": "Finlayson: PGD", "B4": "Bortsova: targeted segmentation", "B5": "Pal: COVID FGSM", "B6": "Hirano: COVID-Net UAP",
    "B7": "Hirano: universal attacks", "B8": "Cheng: multi-modal BraTS", "B9": "Ma: detectors", "B10": "Shah: hybrid or CNN", "C1": "DenseNet, AES-128",
    "C2": "AES-256 tumor cloud", "C3": "'SHA-256 encryption'", "C4": "CKKS LSTM", "C5": "PINPOINT (BFV)", "C6": "Paillier, MobileNetV2",
    "D1": "Denoising in the dark", "D2": "SARN, ABE", "D3": "CADTra", "D4": "MSDCNN", "D5": "autoencoder, AES", "D6": "PPDD at the edge", "E1": "CaRENets",
    "E2": "CryptoDL RNS", "E3": "HoRNS-CNN", "E4": "SecRCNN", "F1": "ASFSCSLEC-DNL", "F2": "block perceptual encryption, JPEG", "F3": "MediSecFed",
    "F4": "ANN, PWLCM", "G1": "DeepKeyGen", "G2": "GAN PRNG, AES-256, Hill", "H1": "EncipherGAN", "H2": "DeepFixCX", "H3": "FEDResNet", "H4": "GaNDLF",
    "H5": "ToStaGAN", "H6": "DeepEDN", "I1": "model inversion", "I2": "poisoning", "J1": "generalization", "J2": "adversarial vulnerability",
    "J3": "cost of computing", "J4": "scarce data"}
